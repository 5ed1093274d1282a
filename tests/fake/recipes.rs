//! Images from recipes, with the tools that make file systems and tables, and a stand-in for the one that installs packages.

use std::fs;
use std::io::{BufRead, BufReader, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::home::{Home, Run};

const RECIPE: &str = "\
apiVersion: trustnet.io/v1alpha1
kind: Image
metadata: { name: small }
spec:
  suite: bookworm
  architecture: amd64
  mirror: http://deb.debian.org/debian
  securityMirror: http://deb.debian.org/debian-security
  rootMiB: 64
  espMiB: 8
  kernelCommandLine: root=LABEL=root
  packages: [busybox]
  mask: [apt-daily.timer]
  commands:
    - echo made > /etc/made
    - |
      if [ -n \"${BLOCKS-}\" ]; then read -r _ </blocks; fi
";

/// A recipe's folder, an archive, and the stand-ins.
struct Stage {
    home: Home,
}

impl Stage {
    fn new() -> Self {
        let home = Home::new();
        for folder in ["recipe/root/etc", "bin", "tmp"] {
            fs::create_dir_all(home.path(folder)).expect("a folder");
        }
        home.file("recipe/recipe.yaml", RECIPE);
        home.file("recipe/root/etc/motd", "small\n");
        for name in ["mmdebstrap", "apt-get"] {
            let script = format!("{}/tests/support/{name}.sh", env!("CARGO_MANIFEST_DIR"));
            fs::copy(script, home.path("bin").join(name)).expect("a copy");
        }
        let stage = Self { home };
        stage.publish("a");
        stage
    }

    /// Puts lists into the archive that name packages by this digit.
    fn publish(&self, digit: &str) {
        for suite in ["bookworm", "bookworm-updates", "bookworm-security"] {
            let folder = format!("archive/dists/{suite}");
            fs::create_dir_all(self.home.path(&folder)).expect("a folder");
            let list = format!(
                "Codename: {suite}\nDate: Sat, 06 Sep 2025 10:00:00 UTC\nSHA256:\n {} 12 main/binary-amd64/Packages\n",
                digit.repeat(64)
            );
            self.home.file(&format!("{folder}/InRelease"), &list);
        }
    }

    /// `image build` of the recipe, its results kept in this folder.
    fn program(&self, cache: &str) -> Command {
        let mut program = self.home.program();
        let path = std::env::var("PATH").expect("a path");
        let archive = format!("file://{}", self.home.path("archive").display());
        program
            .env(
                "PATH",
                format!("{}:{path}", self.home.path("bin").display()),
            )
            .env("TMPDIR", self.home.path("tmp"))
            .env("XDG_CACHE_HOME", self.home.path(cache))
            .args(["image", "build", "recipe", "--mirror", &archive])
            .args(["--security-mirror", &archive]);
        program
    }

    fn run(&self, program: &mut Command) -> Run {
        let run = Run::of(&program.output().expect("the program starts"));
        let left = fs::read_dir(self.home.path("tmp")).expect("a folder");
        assert_eq!(left.count(), 0, "{run:?}");
        run
    }

    fn built(&self, program: &mut Command) -> PathBuf {
        let run = self.run(program);
        assert_eq!(run.code, Some(0), "{run:?}");
        PathBuf::from(run.out.trim_end())
    }
}

/// What cannot be made here; one without root needs a namespace of users.
fn is_possible() -> bool {
    let root = ["--mount", "true"];
    let without = ["--user", "--map-root-user", "--mount", "true"];
    [&root[..], &without[..]].iter().any(|args| {
        let tried = Command::new("unshare").args(*args).status();
        tried.is_ok_and(|status| status.success())
    })
}

#[expect(
    clippy::print_stdout,
    reason = "a test says on standard output that it was skipped"
)]
fn skipped() -> bool {
    let possible = is_possible();
    if !possible {
        println!("skipped: recipes: no namespace of mounts may be had");
    }
    !possible
}

#[test]
fn the_same_recipe_gives_the_same_bytes_and_is_built_once() {
    if skipped() {
        return;
    }
    let stage = Stage::new();
    let first = stage.built(&mut stage.program("one"));
    let second = stage.built(&mut stage.program("two"));
    assert_eq!(first.file_name(), second.file_name());
    let bytes = fs::read(&first).expect("an image");
    assert!(bytes == fs::read(&second).expect("an image"));
    let made = fs::metadata(&first)
        .expect("an image")
        .modified()
        .expect("a time");
    let again = stage.run(stage.program("one").args(["-o", "json"]));
    assert!(again.out.contains("\"unchanged\""), "{again:?}");
    assert_eq!(
        fs::metadata(&first)
            .expect("an image")
            .modified()
            .expect("a time"),
        made
    );

    // In a pool it is recorded as what it is.
    let pool = ["--pool", "foundry-images", "-o", "json"];
    let brought = stage.run(stage.program("one").args(pool));
    assert_eq!(brought.code, Some(0), "{brought:?}");
    let brought: serde_json::Value = serde_json::from_str(&brought.out).expect("JSON");
    let verified = serde_json::json!({ "by": "localBuild", "detail": "recipe small" });
    assert_eq!(brought["image"]["verified"], verified, "{brought}");
    assert_eq!(brought["image"]["volume"], "small");

    // What is in it is what the recipe says.
    let raw = stage.home.path("raw");
    let mut convert = Command::new("qemu-img");
    let converted = convert.args(["convert", "-O", "raw"]).arg(&first).arg(&raw);
    assert!(converted.status().expect("qemu-img starts").success());
    let root = root_of(&stage.home, &raw);
    let says = |request: &str| {
        let mut debugfs = Command::new("/sbin/debugfs");
        let output = debugfs.args(["-R", request]).arg(&root).output();
        String::from_utf8(output.expect("debugfs starts").stdout).expect("UTF-8")
    };
    assert_eq!(says("cat /etc/motd"), "small\n");
    assert_eq!(says("cat /etc/made"), "made\n");
    assert!(says("stat /etc/systemd/system/apt-daily.timer").contains("\"/dev/null\""));
    assert!(says("cat /boot/grub/grub.cfg").contains("linux /vmlinuz root=LABEL=root\n"));
    assert!(says("ls /").contains("tmp") && !says("ls /").contains("trustnet"));
    let mut check = Command::new("/sbin/e2fsck");
    assert!(
        check
            .args(["-fn"])
            .arg(&root)
            .output()
            .expect("it starts")
            .status
            .success()
    );

    // Another recipe, or other packages, are another image; without a network the newest of this recipe will do.
    stage.publish("b");
    let third = stage.built(&mut stage.program("one"));
    assert_ne!(third, first);
    fs::remove_dir_all(stage.home.path("archive")).expect("a folder");
    assert_eq!(stage.built(&mut stage.program("one")), third);
    assert_eq!(stage.built(stage.program("one").arg("--offline")), third);
    stage.home.file("recipe/root/etc/motd", "other\n");
    let none = stage.run(stage.program("one").arg("--offline"));
    assert_eq!(none.code, Some(5), "{none:?}");
}

/// The root's file system, in a file of its own: it begins behind the first MiB and the EFI partition.
fn root_of(home: &Home, raw: &Path) -> PathBuf {
    let root = home.path("root.ext4");
    let mut disk = fs::File::open(raw).expect("a disk");
    disk.seek(SeekFrom::Start(9 << 20))
        .expect("it is long enough");
    let mut file = fs::File::create(&root).expect("a file");
    std::io::copy(&mut disk.take(64 << 20), &mut file).expect("a copy");
    root
}

#[test]
fn a_command_that_fails_is_named_with_its_last_lines_and_nothing_stays() {
    if skipped() {
        return;
    }
    let stage = Stage::new();
    let failing = RECIPE.replace("echo made > /etc/made", "echo the reason; exit 3");
    stage.home.file("recipe/recipe.yaml", &failing);
    let run = stage.run(&mut stage.program("one"));
    assert_eq!(run.code, Some(5), "{run:?}");
    let why = "`spec.commands[0]` failed: echo the reason; exit 3\n    the reason\n";
    assert!(run.err.contains(why), "{}", run.err);
    let images = fs::read_dir(stage.home.path("one/trustnet-vm/images")).expect("a folder");
    let names = images.map(|entry| entry.expect("an entry").file_name());
    assert!(
        names
            .into_iter()
            .all(|name| name.to_string_lossy().ends_with(".lock"))
    );
}

#[test]
fn a_build_that_is_killed_ends_all_that_it_began_and_is_done_by_the_next() {
    if skipped() {
        return;
    }
    let stage = Stage::new();
    let mut killed = stage
        .program("one")
        .env("BLOCKS", "yes")
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program starts");
    let said = BufReader::new(killed.stderr.take().expect("a pipe")).lines();
    let mut said = said.map_while(Result::ok);
    assert!(said.any(|line| line.contains("running 0001.sh")));
    killed.kill().expect("it can be killed");
    killed.wait().expect("it ends");
    // What it began hears of it, and takes everything away.
    let end = Instant::now() + Duration::from_secs(60);
    let left = || fs::read_dir(stage.home.path("tmp")).map_or(0, Iterator::count);
    while left() > 0 {
        assert!(Instant::now() < end, "something is left");
        std::thread::sleep(Duration::from_millis(10));
    }
    let built = stage.built(&mut stage.program("one"));
    let undisturbed = stage.built(&mut stage.program("two"));
    assert!(fs::read(built).expect("an image") == fs::read(undisturbed).expect("an image"));
}
