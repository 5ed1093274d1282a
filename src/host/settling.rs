//! Bytes that go to the disk while more of them come: what is synced at the end is then little.

use std::fs::File;
use std::io;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::JoinHandle;

/// After so many bytes more the disk is given what there is. What is shorter needs no thread.
const STRETCH: u64 = 16 << 20;

/// A file on its way to the disk.
#[derive(Debug, Default)]
pub(crate) struct Settling {
    /// How many bytes came since the disk was given some.
    since: u64,
    beside: Option<Beside>,
}

/// The thread that waits for the disk.
#[derive(Debug)]
struct Beside {
    orders: SyncSender<()>,
    thread: JoinHandle<io::Result<()>>,
}

impl Settling {
    /// So many bytes more were written to the file, which is the same each time.
    ///
    /// # Errors
    /// There is no thread or no handle to be had.
    pub(crate) fn wrote(&mut self, file: &File, bytes: u64) -> io::Result<()> {
        self.since += bytes;
        if self.since < STRETCH {
            return Ok(());
        }
        self.since = 0;
        let beside = match &mut self.beside {
            Some(beside) => beside,
            None => self.beside.insert(Beside::start(file.try_clone()?)?),
        };
        // Where it is still waiting for the disk, it finds these bytes too when it is done, or the end does.
        let _ = beside.orders.try_send(());
        Ok(())
    }

    /// All of the file is on the disk.
    ///
    /// # Errors
    /// It is not, be it that the disk refused some of it long ago: the kernel tells each failure once.
    pub(crate) fn finish(self, file: &File) -> io::Result<()> {
        if let Some(Beside { orders, thread }) = self.beside {
            drop(orders);
            thread
                .join()
                .map_err(|_| io::Error::other("the thread that syncs it ended"))??;
        }
        file.sync_all()
    }
}

impl Beside {
    fn start(file: File) -> io::Result<Self> {
        let (orders, ordered): (_, Receiver<()>) = sync_channel(1);
        let thread = std::thread::Builder::new()
            .name("settling".to_owned())
            .spawn(move || {
                let mut synced = ordered.iter().map(|()| file.sync_data());
                synced.find(Result::is_err).unwrap_or(Ok(()))
            })?;
        Ok(Self { orders, thread })
    }
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::io::{Read, Write};

    use super::{STRETCH, Settling};

    #[test]
    fn a_file_is_whole_on_the_disk_and_what_the_disk_refused_on_the_way_is_told_at_the_end() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("file");
        let mut file = File::create(&path).expect("a file");
        let mut settling = Settling::default();
        for _ in 0..3 {
            file.write_all(&[7; 1000]).expect("written");
            settling.wrote(&file, STRETCH).expect("noted");
        }
        settling.finish(&file).expect("synced");
        let mut bytes = Vec::new();
        File::open(&path)
            .and_then(|mut file| file.read_to_end(&mut bytes))
            .expect("read");
        assert_eq!(bytes, [7; 3000]);

        // What cannot be synced at all is refused by the thread, and nobody is told before.
        let (reader, _writer) = std::io::pipe().expect("a pipe");
        let pipe = File::from(std::os::fd::OwnedFd::from(reader));
        let mut settling = Settling::default();
        settling.wrote(&pipe, STRETCH).expect("noted");
        settling.finish(&file).expect_err("the thread was refused");
    }
}
