//! Values that would be commands anywhere else.

use std::fs;

use serde_json::json;

use crate::sshd::Sshd;
use crate::stage::{Folder, Things, asked, bring, catalogue, inside, program_of};

/// What arrives as it is, whatever it looks like. A string has one line; a text may have several.
const STRINGS: [&str; 11] = [
    "'; touch /etc/pwned; '",
    "$(touch /etc/pwned)",
    "`touch /etc/pwned`",
    "%s%n%b",
    "\\n\\0101\\",
    "-rf",
    "-",
    "\"quoted\" and 'quoted'",
    "ünï 😀 \u{202e}txt.exe\u{200f}",
    "{{ params.text }} {% raw %}",
    " ${HOME} *?[a] ~ # ! & | > < ; ",
];

const TEXTS: [&str; 3] = [
    "one\n'; touch /etc/pwned\n$(touch /etc/pwned)\n",
    "\n\n[section]\nkey = value\nUser=root\n",
    "---\n-\ta: *b\n...\nEOF\n",
];

const SINK: &str = r#"
apiVersion: trustnet.io/v1alpha1
kind: Service
metadata: { name: sink }
spec:
  version: "1.0"
  parameters:
    string: { type: string, default: x }
    text: { type: text, default: x }
  files:
    - { path: /etc/sink/plain, format: plain, content: "{{ params.string }}|{{ params.text }}" }
    - { path: /etc/sink/shell, format: shell, content: "string={{ params.string }}\ntext={{ params.text }}\nprintf '%s|%s' \"$string\" \"$text\"\n" }
    - { path: /etc/sink/json, format: json, content: "{\"string\": {{ params.string }}, \"text\": {{ params.text }}}" }
  setup:
    - name: argv
      command: [sh, -c, 'printf "%s|%s" "$1" "$2" > /etc/sink/argv', sh, "{{ params.string }}", "{{ params.text }}"]
    - name: input
      command: [sh, -c, 'cat > /etc/sink/input']
      input: "{{ params.string }}|{{ params.text }}"
    - name: environment
      command: [sh, -c, 'printf "%s|%s" "$STRING" "$TEXT" > /etc/sink/environment']
      environment: { STRING: "{{ params.string }}", TEXT: "{{ params.text }}" }
    - name: another user
      user: nobody
      command: [sh, -c, 'printf "%s|%s|%s" "$1" "$TEXT" "$(id -un)"', sh, "{{ params.string }}"]
      environment: { TEXT: "{{ params.text }}" }
"#;

#[test]
fn hostile_values_arrive_as_data_wherever_they_go() {
    let guest = Sshd::in_root();
    let nothing = Folder(guest.shared("none"));
    let pairs = STRINGS
        .iter()
        .map(|string| (*string, "x"))
        .chain(TEXTS.iter().map(|text| ("x", *text)));
    for (string, text) in pairs {
        let services = json!([{"name": "sink", "config": {"string": string, "text": text}}]);
        let program = program_of(&[SINK], services, &Things::default());
        let told = bring(&guest, &program, &nothing);
        let lines = told.lines.clone();
        told.taken();
        let expected = format!("{string}|{text}");
        for name in ["plain", "argv", "input", "environment"] {
            let path = guest.path(&format!("/etc/sink/{name}"));
            let found = fs::read_to_string(path).expect("the file");
            assert_eq!(found, expected, "{name}");
        }
        assert_eq!(inside(&guest, "sh /etc/sink/shell"), expected);
        let found = fs::read(guest.path("/etc/sink/json")).expect("the file");
        let found: serde_json::Value = serde_json::from_slice(&found).expect("JSON");
        assert_eq!(found, json!({"string": string, "text": text}));
        if text == "x" && !string.contains('\u{202e}') {
            let said = format!("| {string}|x|nobody");
            assert!(lines.contains(&said), "{said}: {lines:#?}");
        }
        // What reaches the log turns nothing around.
        assert!(!lines.concat().contains('\u{202e}'), "{lines:#?}");
        assert!(!guest.path("/etc/pwned").exists(), "{string:?} {text:?}");
        assert_eq!(bring(&guest, &program, &nothing).taken(), 0);
    }
}

#[test]
fn what_no_guest_can_hold_is_refused_before_anything_is_sent() {
    let catalogue = catalogue(&[SINK]);
    for (name, value) in [
        ("string", "a\0b"),
        ("text", "a\0b"),
        ("string", "two\nlines"),
        ("string", "a\rb"),
        ("string", "a\tb"),
    ] {
        let services = asked(json!([{"name": "sink", "config": {name: value}}]));
        let selected = trustnet_core::service::select(&services, &catalogue);
        assert!(selected.is_err(), "{name}: {value:?}");
    }
}
