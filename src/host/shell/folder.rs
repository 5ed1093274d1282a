//! Folders, as an archive that is unpacked while it comes.

use std::io::{self, Cursor, Read, Write};
use std::path::Path;
use std::time::Duration;

use super::copy::{named, refused, script};
use super::words::octal;
use super::{Shell, ShellError, Stream};

/// `images/guest/unpack.sh`.
const UNPACK: &str = include_str!("../../../images/guest/unpack.sh");
/// `images/guest/pack.sh`.
const PACK: &str = include_str!("../../../images/guest/pack.sh");
/// `images/guest/look.sh`.
const LOOK: &str = include_str!("../../../images/guest/look.sh");
/// How long a folder may take. What is copied has no size that is known before.
const LIMIT: Duration = Duration::from_secs(24 * 3600);
/// How long a look may take.
const LOOKING: Duration = Duration::from_secs(60);

/// Whether a path in the guest is a folder.
///
/// # Errors
/// The connection is gone, or the guest cannot say.
pub fn is_folder(shell: &mut dyn Shell, path: &str) -> Result<bool, ShellError> {
    let doing = format!("look at `{path}`");
    named(path, &doing)?;
    let mut input = Cursor::new(format!("{}\n", octal(path)));
    let said = call(shell, LOOK, &mut input, LOOKING, &doing, &mut |_| {})?;
    Ok(said == b"folder\n")
}

/// Writes what is in a folder into a folder of the guest, which is made if it is missing.
///
/// # Errors
/// The connection is gone, the guest cannot write, or a file here cannot be read.
pub fn put_folder(shell: &mut dyn Shell, source: &Path, path: &str) -> Result<(), ShellError> {
    let doing = format!("write `{path}`");
    named(path, &doing)?;
    let local = |source| ShellError::Local {
        doing: "read the folder that is to be sent".to_owned(),
        source,
    };
    let (reader, writer) = io::pipe().map_err(local)?;
    std::thread::scope(|scope| {
        let packing = scope.spawn(move || pack(source, writer));
        let mut input = Cursor::new(format!("{}\n", octal(path))).chain(reader);
        let sent = call(shell, UNPACK, &mut input, LIMIT, &doing, &mut |_| {});
        // Nobody reads any more: who still packs is to learn it.
        drop(input);
        let packed = packing
            .join()
            .unwrap_or_else(|_| Err(io::ErrorKind::Other.into()));
        match (sent, packed) {
            (Err(error), Err(why)) if why.kind() == io::ErrorKind::BrokenPipe => Err(error),
            (_, Err(why)) => Err(local(why)),
            (sent, Ok(())) => sent.map(|_| ()),
        }
    })
}

fn pack(source: &Path, writer: impl Write) -> io::Result<()> {
    let mut archive = tar::Builder::new(io::BufWriter::with_capacity(1 << 18, writer));
    archive.follow_symlinks(false);
    archive.append_dir_all(".", source)?;
    archive.into_inner()?.flush()
}

/// Reads what is in a folder of the guest into a folder here, which is made if it is missing. Whatever the
/// guest sends, nothing is written outside of that folder, and nothing gets more rights than it can have
/// without being asked for.
///
/// # Errors
/// The connection is gone, the guest cannot read, or a file here cannot be written.
pub fn get_folder(shell: &mut dyn Shell, path: &str, target: &Path) -> Result<(), ShellError> {
    let doing = format!("read `{path}`");
    named(path, &doing)?;
    let local = |source| ShellError::Local {
        doing: "write the folder that came".to_owned(),
        source,
    };
    let (reader, mut writer) = io::pipe().map_err(local)?;
    std::thread::scope(|scope| {
        let unpacking = scope.spawn(move || unpack(reader, target));
        let mut input = Cursor::new(format!("{}\n", octal(path)));
        let came = call(shell, PACK, &mut input, LIMIT, &doing, &mut |bytes| {
            // Who unpacks says itself why it does not take more.
            let _ = writer.write_all(bytes);
        });
        drop(writer);
        let unpacked = unpacking
            .join()
            .unwrap_or_else(|_| Err(io::ErrorKind::Other.into()));
        came?;
        unpacked.map_err(local)
    })
}

fn unpack(mut reader: impl Read, target: &Path) -> io::Result<()> {
    std::fs::create_dir_all(target)?;
    let mut archive = tar::Archive::new(&mut reader);
    archive.set_preserve_mtime(true);
    archive.unpack(target)?;
    // What pads the archive is read too.
    io::copy(&mut reader, &mut io::sink()).map(|_| ())
}

/// Runs a script of ours and gives what it says, for a short answer; what is longer goes to `take` alone.
fn call(
    shell: &mut dyn Shell,
    text: &str,
    input: &mut dyn Read,
    limit: Duration,
    doing: &str,
    take: &mut dyn FnMut(&[u8]),
) -> Result<Vec<u8>, ShellError> {
    let (mut out, mut words) = (Vec::new(), Vec::new());
    let exit = shell.run(
        &script(text),
        input,
        limit,
        &mut |stream, bytes| match stream {
            Stream::Out => {
                take(bytes);
                super::copy::keep(&mut out, bytes);
            }
            Stream::Err => super::copy::keep(&mut words, bytes),
        },
    )?;
    if exit.is_success() {
        Ok(out)
    } else {
        Err(refused(doing.to_owned(), exit, &words))
    }
}
