use super::{Archive, Content, Identities, InputFile, Inputs, Recipe, Suite, same_packages};
use crate::artifact::Digest;
use crate::load;
use crate::problem::Problem;

fn problems_with(from: &str, to: &str) -> Vec<String> {
    let text = super::builtin("debian-12").expect("a recipe").text;
    assert!(text.contains(from), "{from}");
    let (documents, mut problems) = load::load_recipes(text.replace(from, to).as_bytes());
    problems.extend(
        documents
            .iter()
            .flat_map(|document| Recipe::check(&document.object)),
    );
    let told = |problem: &Problem| format!("{}: {}", problem.path, problem.message);
    problems.iter().map(told).collect()
}

#[test]
fn what_would_do_harm_or_nothing_in_a_build_is_refused() {
    for (from, to, problem) in [
        (
            "name: debian-12",
            "name: ../debian",
            "metadata.name: the name has `.` in it",
        ),
        (
            "suite: bookworm",
            "suite: ../bookworm",
            "spec.suite: `../bookworm` is no name of a suite",
        ),
        (
            "    - zstd\n",
            "    - --version\n",
            "spec.packages[2]: `--version` is no name of a package",
        ),
        (
            "    - zstd\n",
            "    - 'a,b'\n",
            "spec.packages[2]: `a,b` is no name of a package",
        ),
        (
            "    - apt-daily.timer\n",
            "    - ../x.timer\n",
            "spec.mask[0]: `../x.timer` is no name of a unit",
        ),
        (
            "rootMiB: 1536",
            "rootMiB: 3",
            "spec.rootMiB: 3 MiB is not between 64 and 65536 MiB",
        ),
        (
            "  mirror: http://deb.debian.org/debian\n",
            "  mirror: 'http://a b'\n",
            "spec.mirror: `http://a b` has characters that apt would misread",
        ),
        (
            "  mirror: http://deb.debian.org/debian\n",
            "  mirror: ftp://a\n",
            "spec.mirror: `ftp://a` is no URL of http, https or file",
        ),
        (
            "kernelCommandLine: root",
            "kernelCommandLine: \"quiet\\nboot\" #",
            "spec.kernelCommandLine: the kernel's command line is one line, and not empty",
        ),
        (
            "suite: bookworm\n",
            "suite: bookworm\n  snapshot: yesterday\n",
            "spec.snapshot: `yesterday` is no moment of snapshot.debian.org",
        ),
        (
            "suite: bookworm\n",
            "suite: bookworm\n  commands: [' ']\n",
            "spec.commands[0]: there is no command here",
        ),
    ] {
        assert_eq!(problems_with(from, to), [problem]);
    }
}

#[test]
fn a_snapshot_takes_the_place_of_both_archives() {
    let text = super::builtin("debian-12").expect("a recipe").text;
    let text = text.replace("rootMiB:", "snapshot: 20260101T000000Z\n  rootMiB:");
    let (mut documents, problems) = load::load_recipes(text.as_bytes());
    assert_eq!(problems, []);
    let recipe = Recipe::new(documents.pop().expect("a recipe").object).expect("a sound one");
    let suites = recipe.suites(&recipe.mirrors());
    let of = |suite: &Suite| format!("{} {}", suite.mirror, suite.name);
    assert_eq!(
        suites.iter().map(of).collect::<Vec<_>>(),
        [
            "http://snapshot.debian.org/archive/debian/20260101T000000Z bookworm",
            "http://snapshot.debian.org/archive/debian/20260101T000000Z bookworm-updates",
            "http://snapshot.debian.org/archive/debian-security/20260101T000000Z bookworm-security",
        ]
    );
}

fn inputs() -> Inputs {
    let file = |path: &str, content| InputFile {
        path: path.as_bytes().to_vec(),
        content,
    };
    Inputs {
        recipe: b"recipe".to_vec(),
        script: b"script".to_vec(),
        overlay: vec![
            file("etc/a", Content::File(b"a".to_vec())),
            file("etc/b", Content::Link(b"a".to_vec())),
        ],
    }
}

fn archive(suite: &str, date: i64, packages: &[u8]) -> Archive {
    Archive {
        suite: suite.to_owned(),
        date,
        packages: Digest::of(packages),
    }
}

#[test]
fn the_digest_changes_with_every_input_and_with_nothing_else() {
    let archives = [
        archive("bookworm", 7, b"a"),
        archive("bookworm-updates", 8, b"b"),
    ];
    let digest = inputs().digest(&archives);
    let mut turned = inputs();
    turned.overlay.reverse();
    assert_eq!(turned.digest(&archives), digest);
    // Updates' list is made anew every few hours.
    let later = [archives[0].clone(), archive("bookworm-updates", 9, b"b")];
    assert_eq!(inputs().digest(&later), digest);
    assert!(same_packages(&archives, &later));

    let changes: [fn(&mut Inputs); 6] = [
        |inputs| inputs.recipe.push(0),
        |inputs| inputs.script.push(0),
        |inputs| inputs.overlay[0].path.push(b'a'),
        |inputs| inputs.overlay[0].content = Content::Program(b"a".to_vec()),
        |inputs| inputs.overlay[1].content = Content::File(b"a".to_vec()),
        |inputs| inputs.overlay.truncate(1),
    ];
    let mut digests = vec![digest];
    for change in changes {
        let mut changed = inputs();
        change(&mut changed);
        digests.push(changed.digest(&archives));
    }
    for other in [
        [archive("bookworm", 6, b"a"), archives[1].clone()],
        [archive("bookworm", 7, b"A"), archives[1].clone()],
        [archives[0].clone(), archive("bookworm-updates", 8, b"B")],
    ] {
        assert!(!same_packages(&archives, &other));
        digests.push(inputs().digest(&other));
    }
    let count = digests.len();
    digests.sort_unstable();
    digests.dedup();
    assert_eq!(digests.len(), count);
}

#[test]
fn what_would_be_chance_follows_from_the_digest() {
    let archives = [archive("bookworm", 7, b"a")];
    let identities = Identities::of(&inputs(), &archives);
    assert_eq!(identities, Identities::of(&inputs(), &archives));
    assert_eq!(identities.epoch, 7);
    let mut other = inputs();
    other.recipe.push(0);
    let other = Identities::of(&other, &archives);
    let all = |of: &Identities| {
        [
            of.root,
            of.hash_seed,
            of.disk,
            of.root_partition,
            of.esp_partition,
            of.bios_partition,
        ]
    };
    let mut known = [all(&identities), all(&other)].concat();
    known.sort_unstable();
    known.dedup();
    assert_eq!(known.len(), 12);
    assert_ne!(identities.esp_serial, other.esp_serial);
}

#[test]
fn a_signed_list_and_a_plain_one_say_the_same() {
    let list = format!(
        "Origin: Debian\nSuite: oldstable\nCodename: bookworm\nDate: Sat, 06 Sep 2025 10:00:00 UTC\nSHA256:\n {} 12 main/binary-amd64/Packages\n",
        Digest::of(b"packages")
    );
    let signed = format!(
        "-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA512\n\n{list}-----BEGIN PGP SIGNATURE-----\n\nabc\n"
    );
    let suite = Suite {
        name: "bookworm".to_owned(),
        mirror: "http://deb.debian.org/debian".to_owned(),
    };
    let plain = Archive::read(&list, &suite, "amd64").expect("a list");
    assert_eq!(plain.packages, Digest::of(b"packages"));
    assert_eq!(plain.date, 1_757_152_800);
    assert_eq!(Archive::read(&signed, &suite, "amd64"), Ok(plain));
    let error = Archive::read(&list, &suite, "arm64").expect_err("no such packages");
    assert_eq!(
        error.to_string(),
        "it lists no `main/binary-arm64/Packages`"
    );
}
