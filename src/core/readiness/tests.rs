//! Reports as guests have sent them, and as no guest should.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::text::clean_to;
use super::{CloudInitStatus, Lines, Phase, Readiness, Report, ReportError, Verdict, clean, judge};

const BOOT: &str = "0b6e3e1c-6ad8-4d2b-9f7a-6a4f3f6f0c11";
const RUNCMD: &str =
    "('scripts-user', RuntimeError('Runparts: 1 failures (runcmd) in 1 attempted commands'))";
const LOG: &str =
    "+ echo first\nfirst\n+ cat /no/such/file\ncat: /no/such/file: No such file or directory
2026-11-21 03:23:23,306 - cc_scripts_user.py[WARNING]: Failed to run module scripts-user";

fn line(seq: u64, phase: &str, more: &Value) -> String {
    let mut report =
        json!({ "v": 1, "seq": seq, "boot": BOOT, "at": 1_795_231_343, "phase": phase });
    report
        .as_object_mut()
        .expect("an object")
        .extend(more.as_object().expect("an object").clone());
    report.to_string()
}

fn encoded(value: &Value) -> String {
    STANDARD.encode(value.to_string())
}

fn stages(errors: &[&str], recoverable: &Value) -> Value {
    json!({ "v1": {
        "datasource": "DataSourceNoCloud [seed=/dev/vdb][dsmode=net]", "stage": null,
        "init": { "errors": [], "start": 1.5, "finished": 2.5 },
        "modules-final": { "errors": errors, "recoverable_errors": recoverable, "start": 3, "finished": null },
    } })
}

fn ended(errors: &[&str], log: Option<&str>) -> Value {
    let result = json!({ "v1": { "datasource": "DataSourceNoCloud", "errors": errors } });
    json!({
        "status": encoded(&stages(errors, &json!({}))),
        "result": encoded(&result),
        "log": log.map(|log| STANDARD.encode(log)),
    })
}

fn network() -> Value {
    json!({ "addresses": [
        { "interface": "eth0", "mac": "02:00:00:00:00:01", "address": "10.0.2.15/24" },
        { "interface": "eth1", "mac": "", "address": "fd10:1234::2/64" },
        { "interface": "bad", "mac": "x", "address": "not an address" },
    ] })
}

#[test]
fn a_boot_goes_through_its_phases_once_however_often_it_is_told() {
    let mut readiness = Readiness::default();
    let lines = [
        line(1, "booted", &json!({})),
        line(2, "network", &network()),
        line(3, "cloud-init", &ended(&[], None)),
        line(4, "ready", &json!({ "ssh": true })),
    ];
    let reports: Vec<_> = lines
        .iter()
        .filter_map(|line| readiness.push(line))
        .collect();
    assert_eq!(
        reports
            .iter()
            .map(|report| report.phase)
            .collect::<Vec<_>>(),
        Phase::ALL
    );
    let addresses: Vec<_> = reports[1]
        .addresses
        .iter()
        .map(ToString::to_string)
        .collect();
    assert_eq!(addresses, ["10.0.2.15/24", "fd10:1234::2/64"]);
    assert_eq!(
        (reports[2].verdict.as_ref(), reports[3].ssh),
        (Some(&Verdict::Done), true)
    );
    assert_eq!(
        lines.iter().filter_map(|line| readiness.push(line)).count(),
        0
    );
    assert_eq!(readiness.phase(), Some(Phase::Ready));
}

#[test]
fn a_new_boot_begins_anew() {
    let mut readiness = Readiness::default();
    readiness.push(&line(4, "ready", &json!({ "ssh": true })));
    let again = line(1, "booted", &json!({})).replace(BOOT, "another");
    assert_eq!(
        readiness.push(&again).map(|report| report.phase),
        Some(Phase::Booted)
    );
    assert_eq!(readiness.phase(), Some(Phase::Booted));
}

#[test]
fn a_failing_command_is_named() {
    let report =
        Report::parse(&line(3, "cloud-init", &ended(&[RUNCMD], Some(LOG)))).expect("a report");
    let reasons = vec!["scripts-user: command `cat /no/such/file` failed".to_owned()];
    let log_tail = LOG.lines().map(str::to_owned).collect();
    assert_eq!(report.verdict, Some(Verdict::Failed { reasons, log_tail }));
}

#[test]
fn a_disk_that_could_not_be_mounted_fails_the_boot() {
    let mut readiness = Readiness::default();
    let why = "disk tnvm-vdb for /srv: not found";
    let trouble = line(2, "booted", &json!({ "failure": why }));
    assert_eq!(
        readiness
            .push(&trouble)
            .and_then(|report| report.failure)
            .as_deref(),
        Some(why)
    );
    let report = readiness
        .push(&line(3, "cloud-init", &ended(&[], None)))
        .expect("a report");
    assert_eq!(
        report.verdict,
        Some(Verdict::Failed {
            reasons: vec![why.to_owned()],
            log_tail: Vec::new()
        })
    );
}

#[test]
fn every_version_of_cloud_init_is_judged() {
    let deprecated = json!({ "DEPRECATED": ["`x` is deprecated"], "INFO": ["hm"] });
    let warning = json!({ "WARNING": ["no locale", "no locale"], "DEPRECATED": ["`x`"] });
    let degraded = Verdict::Degraded {
        messages: vec!["no locale".to_owned()],
    };
    let command =
        |exit, value: &Value| judge(&CloudInitStatus::from_command(exit, &value.to_string()));
    let files = |status: &Value, result: Option<&str>| {
        judge(&CloudInitStatus::from_files(
            Some(&status.to_string()),
            result,
            None,
        ))
    };
    let result = Some(r#"{"v1": {"datasource": "x", "errors": []}}"#);

    assert_eq!(files(&stages(&[], &json!({})), result), Verdict::Done);
    assert_eq!(files(&stages(&[], &deprecated), result), Verdict::Done);
    assert_eq!(files(&stages(&[], &warning), result), degraded);
    assert!(
        matches!(
            files(&stages(&[], &json!({})), None),
            Verdict::Failed { .. }
        ),
        "it never ended"
    );
    assert!(matches!(
        files(&stages(&["x"], &json!({})), result),
        Verdict::Failed { .. }
    ));

    // 22.4
    assert_eq!(
        command(0, &json!({ "status": "done", "errors": [], "detail": "" })),
        Verdict::Done
    );
    let failed = command(1, &json!({ "status": "error", "errors": [RUNCMD, "x"] }));
    let why = "scripts-user: Runparts: 1 failures (runcmd) in 1 attempted commands";
    assert_eq!(
        failed,
        Verdict::Failed {
            reasons: vec![why.to_owned(), "x".to_owned()],
            log_tail: Vec::new()
        }
    );
    // 23.4 and later
    let new = |recoverable| json!({ "status": "done", "extended_status": "degraded done", "errors": [], "recoverable_errors": recoverable });
    assert_eq!(command(2, &new(&warning)), degraded);
    assert_eq!(command(2, &new(&deprecated)), Verdict::Done);
    assert!(matches!(
        command(1, &json!({ "status": "error", "errors": [] })),
        Verdict::Failed { .. }
    ));
    assert!(matches!(
        judge(&CloudInitStatus::from_command(1, "Traceback")),
        Verdict::Failed { .. }
    ));
    assert!(matches!(
        judge(&CloudInitStatus::default()),
        Verdict::Failed { .. }
    ));
}

#[test]
fn what_is_no_report_is_refused_with_its_reason() {
    assert_eq!(
        Report::parse(&"x".repeat(300 << 10)),
        Err(ReportError::TooLong)
    );
    assert_eq!(
        Report::parse(&line(1, "done", &json!({}))),
        Err(ReportError::Phase)
    );
    let other = line(1, "booted", &json!({})).replace("\"v\":1", "\"v\":2");
    assert_eq!(Report::parse(&other), Err(ReportError::Version(2)));
    for bad in [
        "",
        "{}",
        "[]",
        "{\"v\":1",
        "\u{1b}[2J",
        &line(1, "booted", &json!({})).replace(BOOT, "\\u001b[2J"),
    ] {
        assert!(
            matches!(Report::parse(bad), Err(ReportError::Malformed(_))),
            "{bad:?}"
        );
    }
    let mut readiness = Readiness::default();
    assert_eq!((readiness.push("\r"), readiness.push("{")), (None, None));
}

#[test]
fn nothing_from_a_guest_reaches_a_terminal_as_a_command() {
    let cases = [
        ("\u{1b}[31mred\u{1b}[0m", "red"),
        ("a\u{1b}]0;title\u{7}b\u{1b}]8;;http://x\u{1b}\\c", "abc"),
        ("a\u{9b}2Jb\u{1b}cd\u{1b}", "abd"),
        ("bell\u{7} tab\t.\r\n", "bell tab ."),
        ("\u{202e}gnp.exe\u{2066}", "gnp.exe"),
        ("a\u{85}b\u{2028}c", "a b c"),
        ("ä€ 😀", "ä€ 😀"),
    ];
    for (text, harmless) in cases {
        assert_eq!(clean(text), harmless, "{text:?}");
    }
    assert_eq!(clean_to("abcdef", 3), "abc…");
    let evil = cases.map(|(text, _)| text).concat();
    let report = line(1, "booted", &json!({ "failure": evil.repeat(1000) }));
    let failure = Report::parse(&report)
        .expect("a report")
        .failure
        .expect("a failure");
    assert!(failure.chars().count() <= 501 && !failure.contains(char::is_control));
    let errors = [evil.as_str(); 2000];
    let report = Report::parse(&line(
        3,
        "cloud-init",
        &ended(&errors[..200], Some(&evil.repeat(500))),
    ))
    .expect("a report");
    let Some(Verdict::Failed { reasons, log_tail }) = report.verdict else {
        panic!("{:?}", report.verdict)
    };
    assert!(
        reasons
            .iter()
            .chain(&log_tail)
            .all(|text| !text.contains(char::is_control))
    );
}

#[test]
fn lines_come_whole_from_any_pieces() {
    let mut lines = Lines::default();
    assert_eq!(lines.push(b"half"), Vec::<String>::new());
    assert_eq!(lines.push(b" whole\n\nnext\nre"), ["half whole", "next"]);
    assert_eq!(lines.push(b"\xff\n"), ["re\u{fffd}"]);
    assert_eq!(lines.push(&vec![b'x'; 1 << 20]), Vec::<String>::new());
    assert_eq!(lines.push(b"tail of the long one\nshort\n"), ["short"]);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    #[test]
    fn no_bytes_break_the_reader(chunks in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..300), 0..20)) {
        let (mut lines, mut readiness) = (Lines::default(), Readiness::default());
        for chunk in &chunks {
            for line in lines.push(chunk) {
                readiness.push(&line);
            }
        }
        prop_assert_eq!(readiness.phase(), None);
    }

    #[test]
    fn printable_text_has_no_control_characters(text in any::<String>()) {
        let clean = clean_to(&text, 80);
        prop_assert!(clean.chars().count() <= 81 && !clean.contains(char::is_control));
    }

    #[test]
    fn no_status_breaks_the_judge(text in "\\PC{0,80}", exit in -2..4) {
        let error = json!([text, 1, null, [], {}]);
        for object in [
            json!({ "errors": error, "recoverable_errors": { "WARNING": error }, "status": text }),
            json!({ "errors": text, "recoverable_errors": error, "extended_status": 7 }),
        ] {
            let _ = judge(&CloudInitStatus::from_command(exit, &object.to_string()));
            let v1 = json!({ "v1": { "a": object, "b": text } }).to_string();
            let _ = judge(&CloudInitStatus::from_files(Some(&v1), Some(&v1), Some(&text)));
        }
        let _ = judge(&CloudInitStatus { errors: vec![format!("('{text}', {text})")], ..CloudInitStatus::default() });
    }
}
