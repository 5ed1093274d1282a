//! IPv6 as the kernel really does it: in network namespaces of the test's own, with a router in another one. What the
//! program writes below `/etc` goes into a folder of the test's.

use std::fs::{self, File};
use std::io::{BufRead, BufReader};
use std::net::{Ipv6Addr, SocketAddrV6, TcpListener, UdpSocket};
use std::os::fd::AsFd;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use rustix::net::{AddressFamily, SocketType, ipproto, socket, sockopt};
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};
use serde_json::Value;

use crate::home::{Home, Run};

/// What a namespace begins with: folders and files of the test's in the place of the machine's, and nobody who keeps
/// its network.
const BEGIN: &str = "mount --bind \"$1/sysctl.d\" /etc/sysctl.d && mount --bind \"$1/resolv.conf\" /etc/resolv.conf || exit 1
for folder in /run/systemd/netif /run/systemd/resolve /run/NetworkManager; do
    [ ! -d $folder ] || mount -t tmpfs none $folder || exit 1
done
cd /proc/sys/net/ipv6/conf/default && echo 0 > accept_dad && echo 1 > accept_ra && echo 0 > forwarding || exit 1
ip link set lo up && echo ready && exec cat";

/// The switches that may change.
const SWITCHES: [&str; 6] = [
    "all/disable_ipv6",
    "default/disable_ipv6",
    "lo/disable_ipv6",
    "uplink0/disable_ipv6",
    "uplink0/accept_ra",
    "uplink0/forwarding",
];

/// A network namespace, with a mount namespace: gone when it is dropped.
struct Namespace {
    holder: Child,
}

impl Namespace {
    fn new(home: &Home) -> Self {
        fs::create_dir_all(home.path("sysctl.d")).expect("a folder");
        home.file("resolv.conf", "nameserver 2001:db8::53\n");
        let mut holder = Command::new("unshare")
            .args(["--net", "--mount", "sh", "-c", BEGIN, "sh"])
            .arg(home.path(""))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("unshare is there");
        let mut line = String::new();
        let said = holder.stdout.as_mut().expect("a pipe");
        BufReader::new(said)
            .read_line(&mut line)
            .expect("it speaks");
        assert_eq!(line, "ready\n");
        Self { holder }
    }

    /// A program inside it, with the environment that it would have outside.
    fn inside(&self, program: &Command) -> Command {
        let mut command = Command::new("nsenter");
        command
            .arg(format!("--target={}", self.holder.id()))
            .args(["--net", "--mount", "--"])
            .arg(program.get_program())
            .args(program.get_args())
            .stdin(Stdio::null());
        if program.get_envs().next().is_some() {
            command.env_clear();
        }
        for (name, value) in program.get_envs() {
            if let Some(value) = value {
                command.env(name, value);
            }
        }
        command
    }

    /// Runs a line of shell inside it.
    #[track_caller]
    fn sh(&self, line: &str) -> String {
        let mut shell = Command::new("sh");
        shell.args(["-ec", line]);
        let output = self.inside(&shell).output().expect("nsenter is there");
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        let error = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{line}: {error}");
        said
    }

    fn switches(&self) -> String {
        self.sh(&format!(
            "cd /proc/sys/net/ipv6/conf && grep . {}",
            SWITCHES.join(" ")
        ))
    }

    /// Does something in its network, on a thread of its own.
    fn on<T: Send>(&self, work: impl FnOnce() -> T + Send) -> T {
        let space = File::open(format!("/proc/{}/ns/net", self.holder.id())).expect("a namespace");
        let enter = || {
            move_into_link_name_space(space.as_fd(), Some(LinkNameSpaceType::Network))
                .expect("it can be entered");
            work()
        };
        thread::scope(|scope| scope.spawn(enter).join().expect("it comes to its end"))
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        // `cat` ends with its input.
        drop(self.holder.stdin.take());
        let _ = self.holder.wait();
    }
}

/// A machine with a cable to a router.
struct Stage {
    home: Home,
    machine: Namespace,
    router: Namespace,
    /// The router's number of the cable.
    cable: u32,
}

impl Stage {
    /// None where the test has no right to namespaces.
    #[expect(
        clippy::print_stdout,
        reason = "the tally of the tests counts what is said so"
    )]
    fn new() -> Option<Self> {
        let may = Command::new("unshare")
            .args(["--net", "--mount", "true"])
            .output();
        if !may.is_ok_and(|output| output.status.success()) {
            let test = thread::current();
            let test = test.name().unwrap_or_default();
            println!("skipped: {test}: no network namespace may be made here; root may make one");
            return None;
        }
        let home = Home::new();
        let machine = Namespace::new(&home);
        let router = Namespace::new(&home);
        machine.sh(&format!(
            "ip link add uplink0 address 02:00:00:00:00:01 type veth peer name cable0 netns {}",
            router.holder.id()
        ));
        router.sh(
            "echo 1 > /proc/sys/net/ipv6/conf/all/forwarding && ip link set cable0 addrgenmode none && \
             ip link set cable0 up && ip address add fe80::1/64 dev cable0 nodad",
        );
        machine.sh("ip link set uplink0 addrgenmode eui64 && ip link set uplink0 up");
        let cable = router.sh("cat /proc/net/if_inet6 | grep cable0 | head -n 1");
        let cable = cable.split(' ').nth(1).expect("a number");
        let cable = u32::from_str_radix(cable, 16).expect("a number");
        Some(Self {
            home,
            machine,
            router,
            cable,
        })
    }

    fn run(&self, args: &str) -> Run {
        self.run_as(&self.home.program(), args)
    }

    fn run_as(&self, program: &Command, args: &str) -> Run {
        let mut program = self.machine.inside(program);
        program.arg("preflight");
        program.args(args.split(' ').filter(|word| !word.is_empty()));
        Run::of(&program.output().expect("the program starts"))
    }

    /// What is said of IPv6 and of ports: the rest is the machine's that the test runs on.
    fn findings(&self, args: &str) -> String {
        let run = self.run(&format!("-o json {args}"));
        let report: Value = serde_json::from_str(&run.out).unwrap_or_else(|_| panic!("{run:?}"));
        let mut text = String::new();
        for finding in report["findings"].as_array().expect("findings") {
            let check = finding["check"].as_str().expect("a word");
            if !check.starts_with("ipv6") && check != "ports" {
                continue;
            }
            let word = |key: &str| finding[key].as_str().map(str::to_owned);
            let (status, found) = (word("status"), word("found"));
            text += &format!(
                "{check} {}: {}\n",
                status.expect("a word"),
                found.expect("words")
            );
            for key in ["reason", "fix"] {
                if let Some(said) = word(key) {
                    text += &format!("    {key}: {said}\n");
                }
            }
        }
        text
    }

    /// Runs while the router announces itself and the prefix 2001:db8:1::/64.
    fn with_announcements<T>(&self, work: impl FnOnce() -> T) -> T {
        let socket = self.router.on(|| {
            let socket = socket(AddressFamily::INET6, SocketType::RAW, Some(ipproto::ICMPV6));
            let socket = socket.expect("a socket");
            sockopt::set_ipv6_multicast_hops(&socket, 255).expect("an option");
            UdpSocket::from(socket)
        });
        let to = SocketAddrV6::new("ff02::1".parse().expect("an address"), 0, 0, self.cable);
        let over = AtomicBool::new(false);
        thread::scope(|scope| {
            scope.spawn(|| {
                while !over.load(Ordering::Relaxed) {
                    socket.send_to(&announcement(), to).expect("it is sent");
                    thread::sleep(Duration::from_millis(20));
                }
            });
            let done = work();
            over.store(true, Ordering::Relaxed);
            done
        })
    }
}

/// A router's advertisement (RFC 4861, sections 4.2 and 4.6.2); the kernel fills in the checksum.
fn announcement() -> Vec<u8> {
    let prefix: Ipv6Addr = "2001:db8:1::".parse().expect("an address");
    let mut message = vec![134, 0, 0, 0, 64, 0];
    message.extend(1800u16.to_be_bytes());
    message.extend([0; 8]);
    message.extend([3, 4, 64, 0xC0]);
    message.extend(3600u32.to_be_bytes());
    message.extend(1800u32.to_be_bytes());
    message.extend([0; 4]);
    message.extend(prefix.octets());
    message
}

fn files(home: &Home) -> Vec<String> {
    let entries = fs::read_dir(home.path("sysctl.d")).expect("a folder");
    let names = entries.map(|entry| entry.expect("an entry").file_name());
    names
        .map(|name| name.into_string().expect("UTF-8"))
        .collect()
}

#[test]
fn ipv6_that_is_off_is_switched_on_for_good_once_and_taken_back() {
    let Some(stage) = Stage::new() else {
        return;
    };
    stage
        .machine
        .sh("echo 1 > /proc/sys/net/ipv6/conf/all/disable_ipv6");
    let before = stage.machine.switches();
    let mut said = format!("== off\n{}", stage.findings(""));
    let shown = stage.run("--ipv6-auto-enable");
    assert_eq!(shown.code, Some(8), "{shown:?}");
    said += &format!("== shown\n{}", shown.err);
    assert_eq!(
        (stage.machine.switches(), files(&stage.home).len()),
        (before.clone(), 0)
    );
    let on = stage.with_announcements(|| {
        stage.run("--ipv6-auto-enable --yes --ipv6-tries 100 --ipv6-pause 20ms")
    });
    assert_eq!(on.code, Some(0), "{on:?}");
    let file = stage.home.path("sysctl.d/99-trustnet-vm.conf");
    let text = fs::read_to_string(&file).expect("our file");
    said += &format!("== on\n{}== the file\n{text}", stage.findings(""));
    let again = stage.findings("--ipv6-auto-enable --yes");
    assert!(said.contains(&again), "{again}");
    assert_eq!(fs::read_to_string(&file).expect("our file"), text);
    let back = stage.run("--undo-ipv6 --yes");
    assert_eq!(back.code, Some(0), "{back:?}");
    assert_eq!(
        (stage.machine.switches(), files(&stage.home).len()),
        (before, 0)
    );
    said += &format!("== back\n{}{}", back.out, stage.run("--undo-ipv6").out);
    insta::assert_snapshot!(said);
}

#[test]
fn a_router_that_is_not_heeded_is_heeded_once_the_switch_says_so() {
    let Some(stage) = Stage::new() else {
        return;
    };
    stage
        .machine
        .sh("echo 1 > /proc/sys/net/ipv6/conf/uplink0/forwarding");
    let before = stage.machine.switches();
    let said = stage.with_announcements(|| {
        let deaf = stage.findings("");
        let on = stage.run("--ipv6-auto-enable --yes --ipv6-tries 100 --ipv6-pause 20ms");
        assert_eq!(on.code, Some(0), "{on:?}");
        format!("== deaf\n{deaf}== heeding\n{}", stage.findings(""))
    });
    assert_eq!(stage.run("--undo-ipv6 --yes").code, Some(0));
    assert_eq!(stage.machine.switches(), before);
    insta::assert_snapshot!(said);
}

#[test]
fn ipv6_of_which_half_is_there_is_told_with_what_is_missing() {
    let Some(stage) = Stage::new() else {
        return;
    };
    let mut said = String::new();
    let mut look = |name: &str, change: &str| {
        stage.machine.sh(change);
        said += &format!("== {name}\n{}", stage.findings(""));
    };
    look("nothing but the link", "true");
    look(
        "a route and no address",
        "ip -6 route add default via fe80::1 dev uplink0",
    );
    look("both", "ip address add 2001:db8:1::2/64 dev uplink0");
    look("an address and no route", "ip -6 route del default");
    look(
        "a router that is not there",
        "ip -6 route add default via 2001:db8:1::9 && cd /proc/sys/net/ipv6/neigh/uplink0 && echo 30 > retrans_time_ms && echo 1 > mcast_solicit",
    );
    stage.home.file("resolv.conf", "nameserver 192.0.2.53\n");
    look(
        "names over IPv4 only",
        "ip -6 route replace default via fe80::1 dev uplink0",
    );
    look(
        "off on one interface",
        "echo 1 > /proc/sys/net/ipv6/conf/uplink0/disable_ipv6",
    );
    insta::assert_snapshot!(said);
}

#[test]
fn where_no_router_comes_the_looks_end_and_what_is_left_is_told() {
    let Some(stage) = Stage::new() else {
        return;
    };
    stage
        .machine
        .sh("echo 1 > /proc/sys/net/ipv6/conf/uplink0/disable_ipv6");
    let run = stage.run("--ipv6-auto-enable --yes --ipv6-tries 2 --ipv6-pause 10ms");
    assert_eq!(run.code, Some(7), "{run:?}");
    insta::assert_snapshot!(format!("{}{}", run.err, stage.findings("")));
}

#[test]
fn who_is_not_root_is_shown_the_change_and_told_what_to_run() {
    let Some(stage) = Stage::new() else {
        return;
    };
    stage
        .machine
        .sh("echo 1 > /proc/sys/net/ipv6/conf/uplink0/disable_ipv6");
    let before = stage.machine.switches();
    // Nobody in a namespace of users of its own.
    let own = stage.home.program();
    let mut program = Command::new("unshare");
    program.args(["--user", "--"]).arg(own.get_program());
    for (name, value) in own.get_envs() {
        program.env(name, value.expect("a value"));
    }
    let run = stage.run_as(&program, "--ipv6-auto-enable --yes");
    assert_eq!(run.code, Some(7), "{run:?}");
    assert_eq!(stage.machine.switches(), before);
    assert_eq!(files(&stage.home).len(), 0);
    insta::assert_snapshot!(run.err);
}

#[test]
fn a_change_that_breaks_off_is_finished_by_the_next_and_forgets_nothing() {
    let Some(stage) = Stage::new() else {
        return;
    };
    stage
        .machine
        .sh("echo 1 > /proc/sys/net/ipv6/conf/all/disable_ipv6");
    let before = stage.machine.switches();
    let enable = "--ipv6-auto-enable --yes --ipv6-tries 0";
    stage
        .machine
        .sh("mount --bind /proc/sys /proc/sys && mount -o remount,bind,ro /proc/sys");
    let broken = stage.run(enable);
    assert_eq!(broken.code, Some(7), "{broken:?}");
    assert_eq!(
        (stage.machine.switches(), files(&stage.home).len()),
        (before.clone(), 1)
    );
    stage.machine.sh("umount /proc/sys");
    stage.run(enable);
    assert_ne!(stage.machine.switches(), before);
    stage
        .machine
        .sh("mount --bind /proc/sys /proc/sys && mount -o remount,bind,ro /proc/sys");
    assert_eq!(stage.run("--undo-ipv6 --yes").code, Some(7));
    assert_eq!(
        files(&stage.home).len(),
        1,
        "what was before is not forgotten"
    );
    stage.machine.sh("umount /proc/sys");
    assert_eq!(stage.run("--undo-ipv6 --yes").code, Some(0));
    assert_eq!(
        (stage.machine.switches(), files(&stage.home).len()),
        (before, 0)
    );
}

#[test]
fn who_listens_at_a_port_that_is_needed_is_named() {
    let Some(stage) = Stage::new() else {
        return;
    };
    let spec = stage.home.spec("web", "");
    let text = fs::read_to_string(&spec).expect("a spec");
    let port: u16 = text
        .split_once("sshPort: ")
        .and_then(|(_, rest)| rest.lines().next()?.parse().ok())
        .expect("a port");
    let _listeners = stage.machine.on(|| {
        let registry = TcpListener::bind("[::]:8000").expect("a port");
        let forwarded = TcpListener::bind(("127.0.0.1", port)).expect("a port");
        (registry, forwarded)
    });
    let name = fs::read_to_string("/proc/self/comm").expect("a name");
    let us = format!("`{}` (process {})", name.trim(), std::process::id());
    assert_eq!(stage.run(&spec).code, Some(7));
    let said = format!("{}{}", stage.findings("--role node"), stage.findings(&spec));
    let ports: String = said
        .split_inclusive('\n')
        .skip_while(|line| !line.starts_with("ports"))
        .collect();
    let ports = ports
        .replace(&us, "[US]")
        .replace(&format!("process {}", std::process::id()), "[US]");
    let ports = ports
        .replace(name.trim(), "[US]")
        .replace(&port.to_string(), "[PORT]");
    insta::assert_snapshot!(ports);
}
