//! What a volume says of itself.

use super::*;

fn set() -> ArtifactSet {
    let artifact = |text: &str| (Digest::of(text.as_bytes()), text.len() as u64);
    ArtifactSet::new(["one", "two and more", ""].map(artifact))
}

/// The volume after so many of its stretches were written.
fn written(set: &ArtifactSet, stretches_done: usize) -> Vec<u8> {
    let layout = lay_out(set).expect("a layout");
    let size = usize::try_from(layout.size).expect("it is small");
    let mut volume = vec![0; size];
    for stretch in stretches().into_iter().take(stretches_done) {
        let range = match stretch {
            Stretch::Head(range) => range,
            Stretch::Rest(start) => start..layout.head.len(),
        };
        volume[range.clone()].copy_from_slice(&layout.head[range]);
    }
    volume
}

fn standing_of(set: &ArtifactSet, volume: &[u8]) -> Standing {
    let layout = lay_out(set).expect("a layout");
    let head = &volume[..volume.len().min(layout.head.len())];
    standing(&layout, volume.len() as u64, head)
}

#[test]
fn the_stretches_are_the_whole_image_each_byte_once() {
    let layout = lay_out(&set()).expect("a layout");
    let mut seen = vec![0; layout.head.len()];
    for stretch in stretches() {
        let range = match stretch {
            Stretch::Head(range) => range,
            Stretch::Rest(start) => start..layout.head.len(),
        };
        seen[range].iter_mut().for_each(|count| *count += 1);
    }
    assert!(seen.iter().all(|count| *count == 1));
}

#[test]
fn a_volume_is_complete_once_its_last_stretch_is_written_and_not_before() {
    let set = set();
    for done in 0..3 {
        assert_eq!(standing_of(&set, &written(&set, done)), Standing::Begun);
    }
    let whole = written(&set, 3);
    assert_eq!(standing_of(&set, &whole), Standing::Complete);
    assert_eq!(
        standing_of(&set, &whole[..whole.len() - 1]),
        Standing::Foreign
    );
    let mut larger = whole.clone();
    larger.extend([0; 4096]);
    assert_eq!(standing_of(&set, &larger), Standing::Complete);
}

#[test]
fn a_volume_that_is_neither_ours_nor_untouched_is_foreign_or_to_be_written_again() {
    let set = set();
    let whole = written(&set, 3);
    for at in 0..19 * SECTOR {
        let mut hit = whole.clone();
        hit[at] ^= 0x20;
        let expected = if at < 16 * SECTOR {
            Standing::Foreign
        } else {
            Standing::Begun
        };
        assert_eq!(standing_of(&set, &hit), expected, "byte {at}");
    }
    let other = ArtifactSet::new([(Digest::of(b"other"), 5)]);
    let padded = |mut volume: Vec<u8>| {
        volume.resize(whole.len(), 0);
        volume
    };
    let other = padded(written(&other, 3));
    assert_eq!(standing_of(&set, &other), Standing::Foreign);
    let seed = iso::write("cidata", &[("user-data", b"x")]).expect("a seed");
    assert_eq!(standing_of(&set, &padded(seed)), Standing::Foreign);
}

#[test]
fn what_may_be_pruned_is_known_by_name_and_content_together() {
    let set = set();
    let name = volume_name(&set);
    let head = usize::try_from(HEAD).expect("it is small");
    for done in 1..=3 {
        assert!(is_ours(&name, &written(&set, done)[..head]), "{done}");
    }
    let whole = written(&set, 3);
    let untouched = written(&set, 0);
    let mut stranger = whole.clone();
    stranger[16 * SECTOR + 41] = b'X';
    let mut renamed = whole.clone();
    renamed[30] ^= 1;
    for (name, bytes) in [
        (name.as_str(), &untouched),
        (&name, &stranger),
        (&name, &renamed),
        (&name, &whole[..100].to_vec()),
        (&name, &Vec::new()),
        ("cache-0123456789abcdef.iso", &whole),
        ("cache-.iso", &whole),
        ("web_cloudinit.iso", &whole),
    ] {
        assert!(!is_ours(name, &bytes[..bytes.len().min(head)]), "{name}");
    }
}
