//! Golden files of libvirt XML, by libvirt's own schemas.

use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::Command;

/// Compares a text with the golden file of that name below `tests`, which `UPDATE_GOLDEN=1` writes anew, and has
/// libvirt's validator judge it as a document of this kind.
pub fn check(test: &str, name: &str, kind: &str, text: &str) {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/{name}.xml"));
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        fs::write(&file, text).expect("a golden file");
    }
    let kept = fs::read_to_string(&file).unwrap_or_default();
    assert_eq!(kept, text, "{name}: if this is right, UPDATE_GOLDEN=1");
    match Command::new("virt-xml-validate")
        .arg(&file)
        .arg(kind)
        .output()
    {
        Ok(judged) => assert!(
            judged.status.success(),
            "{name}: {}",
            String::from_utf8_lossy(&judged.stderr)
        ),
        Err(error) => {
            let line = format!("skipped: {test}: virt-xml-validate: {error}\n");
            std::io::stderr()
                .write_all(line.as_bytes())
                .expect("a line");
        }
    }
}
