//! Where everything stands in the image, and the bytes before the files.
//!
//! Sectors: 16 the primary descriptor, 17 Joliet's, 18 the end of descriptors, 19 to 22 the path tables,
//! then the two directories, then the files.

use super::{IsoError, Label, SECTOR, check_name};

/// 2000-01-01 00:00:00 UTC as a directory record says it.
const RECORD_TIME: [u8; 7] = [100, 1, 1, 0, 0, 0, 0];
/// The same as a descriptor says it.
const VOLUME_TIME: &[u8; 17] = b"2000010100000000\0";
const FIRST_DIRECTORY: usize = 23;
/// The most bytes that one record can speak of, in whole sectors; a larger file has several records.
const MAX_SECTION: u64 = (u32::MAX as u64 + 1) - SECTOR as u64;
/// The flag of a record that another one of the same file follows.
const CONTINUED: u8 = 0x80;
/// Files may hold secrets: nobody but root reads them where the image is mounted.
const FILE_MODE: u32 = 0o100_400;
const DIRECTORY_MODE: u32 = 0o040_500;

/// The flag of a directory's record.
const DIRECTORY: u8 = 2;

/// Which of the two directories is meant.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Names {
    RockRidge,
    Joliet,
}

/// A file to be placed.
pub(super) struct Record {
    short: Vec<u8>,
    joliet: Vec<u8>,
    name: String,
    size: u64,
}

/// The placed image.
pub(super) struct Tree {
    label: Label,
    records: Vec<(Record, u64)>,
    rock_ridge: (usize, usize),
    joliet: (usize, usize),
    sectors: u64,
}

impl Record {
    pub(super) fn new(index: usize, name: &str, size: u64) -> Result<Self, IsoError> {
        check_name(name)?;
        if index > 0xff_ffff {
            return Err(IsoError::TooLarge);
        }
        Ok(Self {
            // Only readers that know neither Rock Ridge nor Joliet see this one.
            short: format!("F{index:07}.;1").into_bytes(),
            joliet: name.encode_utf16().flat_map(u16::to_be_bytes).collect(),
            name: name.to_owned(),
            size,
        })
    }

    /// The records of the file: one, or one for each section of it.
    fn bytes(&self, names: Names, sector: u64) -> Vec<Vec<u8>> {
        let (id, system_use) = match names {
            Names::Joliet => (&self.joliet, Vec::new()),
            Names::RockRidge => {
                let mut system_use = posix(FILE_MODE, 1);
                system_use.extend([b'N', b'M', byte(5 + self.name.len()), 1, 0]);
                system_use.extend(self.name.as_bytes());
                (&self.short, system_use)
            }
        };
        let mut records = Vec::with_capacity(1);
        let (mut at, mut left) = (sector, self.size);
        loop {
            let section = left.min(MAX_SECTION);
            left -= section;
            let flags = if left > 0 { CONTINUED } else { 0 };
            records.push(directory_record(id, at, section, flags, &system_use));
            if left == 0 {
                return records;
            }
            at += section / SECTOR as u64;
        }
    }
}

impl Tree {
    pub(super) fn place(label: Label, mut records: Vec<Record>) -> Result<Self, IsoError> {
        let lengths = [Names::RockRidge, Names::Joliet].map(|names| {
            sort(&mut records, names);
            let all: Vec<_> = records.iter().flat_map(|r| r.bytes(names, 0)).collect();
            pack(&[dots(names, 0, 0), all].concat()).len()
        });
        // The files stand in the order of their names.
        records.sort_by(|a, b| a.name.cmp(&b.name));
        let rock_ridge = (FIRST_DIRECTORY, lengths[0]);
        let joliet = (FIRST_DIRECTORY + lengths[0] / SECTOR, lengths[1]);
        let mut next = (joliet.0 + lengths[1] / SECTOR) as u64;
        let mut placed = Vec::with_capacity(records.len());
        for record in records {
            let sectors = record.size.div_ceil(SECTOR as u64);
            placed.push((record, next));
            next = next.saturating_add(sectors);
        }
        if u32::try_from(next).is_err() {
            return Err(IsoError::TooLarge);
        }
        Ok(Self {
            label,
            records: placed,
            rock_ridge,
            joliet,
            sectors: next,
        })
    }

    /// Where each file begins, in bytes, in the order of their names.
    pub(super) fn offsets(&self) -> impl Iterator<Item = u64> {
        self.records.iter().map(|(_, at)| at * SECTOR as u64)
    }

    /// The whole image's size in bytes.
    pub(super) fn size(&self) -> u64 {
        self.sectors * SECTOR as u64
    }

    /// Everything before the files.
    pub(super) fn headers(&self) -> Vec<u8> {
        let mut image = self.label.system_area.as_bytes().to_vec();
        image.resize(16 * SECTOR, 0);
        image.extend(self.descriptor(Names::RockRidge));
        image.extend(self.descriptor(Names::Joliet));
        image.extend(sector(b"\xffCD001\x01"));
        for (root, _) in [self.rock_ridge, self.joliet] {
            let root = word(root as u64);
            image.extend(sector(
                &[&[1, 0][..], &root.to_le_bytes(), &[1, 0, 0, 0]].concat(),
            ));
            image.extend(sector(
                &[&[1, 0][..], &root.to_be_bytes(), &[0, 1, 0, 0]].concat(),
            ));
        }
        for names in [Names::RockRidge, Names::Joliet] {
            let (start, length) = self.extent(names);
            let mut all = dots(names, start as u64, length as u64);
            let mut records: Vec<_> = self.records.iter().collect();
            records.sort_by(|a, b| key(&a.0, names).cmp(key(&b.0, names)));
            let files = records.iter();
            all.extend(files.flat_map(|(record, at)| record.bytes(names, *at)));
            image.extend(pack(&all));
        }
        image
    }

    fn extent(&self, names: Names) -> (usize, usize) {
        if names == Names::RockRidge {
            self.rock_ridge
        } else {
            self.joliet
        }
    }

    fn descriptor(&self, names: Names) -> Vec<u8> {
        let wide = names == Names::Joliet;
        let text = |text: &str, length: usize| -> Vec<u8> {
            let mut bytes: Vec<u8> = if wide {
                text.encode_utf16().flat_map(u16::to_be_bytes).collect()
            } else {
                text.into()
            };
            while bytes.len() < length {
                bytes.extend(if wide && length - bytes.len() > 1 {
                    &[0, b' '][..]
                } else if wide {
                    &[0]
                } else {
                    b" "
                });
            }
            bytes
        };
        let (root, length) = self.extent(names);
        let tables: u32 = if wide { 21 } else { 19 };
        let mut d = if wide {
            b"\x02CD001\x01\0".to_vec()
        } else {
            b"\x01CD001\x01\0".to_vec()
        };
        d.extend(text("LINUX", 32));
        d.extend(text(&self.label.volume_id, 32));
        d.extend([0; 8]);
        d.extend(both32(self.sectors));
        let mut escape = [0; 32];
        if wide {
            escape[..3].copy_from_slice(b"%/E");
        }
        d.extend(escape);
        d.extend([both16(1), both16(1), both16(2048)].concat());
        d.extend(both32(10));
        d.extend(tables.to_le_bytes());
        d.extend([0; 4]);
        d.extend((tables + 1).to_be_bytes());
        d.extend([0; 4]);
        d.extend(directory_record(
            &[0],
            root as u64,
            length as u64,
            DIRECTORY,
            &[],
        ));
        for (value, length) in [
            (self.label.volume_set.as_str(), 128),
            ("", 128),
            ("", 128),
            ("TRUSTNET-VM", 128),
            ("", 37),
            ("", 37),
            ("", 37),
        ] {
            d.extend(text(value, length));
        }
        for _ in 0..2 {
            d.extend(VOLUME_TIME);
        }
        for _ in 0..2 {
            d.extend(b"0000000000000000\0");
        }
        d.extend([1, 0]);
        sector(&d)
    }
}

fn key(record: &Record, names: Names) -> &[u8] {
    if names == Names::RockRidge {
        &record.short
    } else {
        &record.joliet
    }
}

fn sort(records: &mut [Record], names: Names) {
    records.sort_by(|a, b| key(a, names).cmp(key(b, names)));
}

/// The records of the directory itself and of its parent, which is itself too.
fn dots(names: Names, start: u64, length: u64) -> Vec<Vec<u8>> {
    let system_use = |first: bool| -> Vec<u8> {
        let mut entries = Vec::new();
        if names == Names::RockRidge {
            if first {
                entries.extend(b"SP\x07\x01\xbe\xef\0");
            }
            entries.extend(posix(DIRECTORY_MODE, 2));
            if first {
                entries.extend(b"ER\x12\x01\x0a\0\0\x01RRIP_1991A");
            }
        }
        entries
    };
    vec![
        directory_record(&[0], start, length, DIRECTORY, &system_use(true)),
        directory_record(&[1], start, length, DIRECTORY, &system_use(false)),
    ]
}

/// Rock Ridge's file attributes; owner and group are root.
fn posix(mode: u32, links: u64) -> Vec<u8> {
    [
        b"PX\x24\x01".to_vec(),
        both32(mode.into()),
        both32(links),
        both32(0),
        both32(0),
    ]
    .concat()
}

fn directory_record(id: &[u8], start: u64, size: u64, flags: u8, system_use: &[u8]) -> Vec<u8> {
    let mut record = vec![0, 0];
    record.extend(both32(start));
    record.extend(both32(size));
    record.extend(RECORD_TIME);
    record.extend([flags, 0, 0]);
    record.extend(both16(1));
    record.push(byte(id.len()));
    record.extend(id);
    if record.len() % 2 == 1 {
        record.push(0);
    }
    record.extend(system_use);
    if record.len() % 2 == 1 {
        record.push(0);
    }
    record[0] = byte(record.len());
    record
}

/// Joins records into whole sectors; none crosses from one sector into the next.
fn pack(records: &[Vec<u8>]) -> Vec<u8> {
    let mut bytes: Vec<u8> = Vec::new();
    for record in records {
        if bytes.len() % SECTOR + record.len() > SECTOR {
            bytes.resize(bytes.len().next_multiple_of(SECTOR), 0);
        }
        bytes.extend(record);
    }
    bytes.resize(bytes.len().next_multiple_of(SECTOR), 0);
    bytes
}

fn sector(bytes: &[u8]) -> Vec<u8> {
    let mut sector = bytes.to_vec();
    sector.resize(SECTOR, 0);
    sector
}

fn both32(value: u64) -> Vec<u8> {
    [word(value).to_le_bytes(), word(value).to_be_bytes()].concat()
}

fn both16(value: u16) -> Vec<u8> {
    [value.to_le_bytes(), value.to_be_bytes()].concat()
}

fn word(value: u64) -> u32 {
    u32::try_from(value).expect("`Tree::place` has checked every size")
}

fn byte(value: usize) -> u8 {
    u8::try_from(value).expect("`check_name` keeps every record below 256 bytes")
}
