//! Streams that last: standard input with its half-close, terminals, attach and detach.

use nix::sys::signal::{Signal, kill};

use crate::support::client::Side;
use crate::support::engine::Engine;
use crate::support::gate::Gate;
use crate::support::on_every_side;
use crate::support::raw::post_json;
use crate::support::terminal::Terminal;
use crate::support::through_sshd;
use crate::support::wait::{SHORT, until};

on_every_side!(
    piped_input_ends_and_what_comes_after_it_still_arrives,
    a_large_input_comes_back_byte_for_byte,
    exec_takes_piped_input,
    a_slow_reader_gets_everything,
    run_on_a_terminal_has_its_size_and_follows_it,
    exec_on_a_terminal_is_a_shell,
    attach_sees_output_and_detach_keys_leave_it_running,
    attach_passes_signals_and_the_exit_code,
    a_client_that_goes_away_ends_its_exec_stream,
);

through_sshd!(
    piped_input_ends_and_what_comes_after_it_still_arrives,
    exec_takes_piped_input,
    a_slow_reader_gets_everything,
    run_on_a_terminal_has_its_size_and_follows_it,
    exec_on_a_terminal_is_a_shell,
    attach_passes_signals_and_the_exit_code,
    a_client_that_goes_away_ends_its_exec_stream,
);

fn piped_input_ends_and_what_comes_after_it_still_arrives(side: Side) {
    for docker in side.dockers() {
        let script = "cat; echo before; sleep 0.3; echo after";
        let done = docker.run_with(["run", "-i", "--rm", "busybox", "sh", "-c", script], b"in\n");
        assert_eq!(done.ok(), "in\nbefore\nafter");
    }
}

fn a_large_input_comes_back_byte_for_byte(side: Side) {
    let docker = side.docker();
    let data: Vec<u8> = (0..4_u32 << 20).flat_map(u32::to_le_bytes).collect();
    let mut cat = docker.open(["run", "-i", "--rm", "busybox", "cat"]);
    cat.write(&data);
    drop(cat.stdin.take());
    until(SHORT, || cat.stderr.text(), || cat.stdout.ended());
    assert!(cat.stdout.bytes() == data);
    cat.wait();
}

fn exec_takes_piped_input(side: Side) {
    for docker in side.dockers() {
        let container = docker.idle_container("piped");
        let exec = ["exec", "-i", &container.name, "sh", "-c", "wc -c; echo end"];
        assert_eq!(docker.run_with(exec, &[b'x'; 100_000]).ok(), "100000\nend");
    }
}

fn a_slow_reader_gets_everything(side: Side) {
    let docker = side.docker();
    // More than all buffers on the way hold, and nobody reads until the writer must have stopped.
    let script = "dd if=/dev/zero bs=1M count=64 2>/dev/null";
    let mut command = docker.command(["run", "--rm", "busybox", "sh", "-c", script]);
    let mut child = command.stdout(std::process::Stdio::piped()).spawn().unwrap();
    let mut out = child.stdout.take().unwrap();
    std::io::Read::read_exact(&mut out, &mut [0]).unwrap();
    let rest = std::io::copy(&mut out, &mut std::io::sink()).unwrap();
    assert_eq!(rest + 1, 64 << 20);
    assert!(child.wait().unwrap().success());
}

fn run_on_a_terminal_has_its_size_and_follows_it(side: Side) {
    for docker in side.dockers() {
        let script = "while read x; do stty size; done; exit 4";
        let args = ["run", "-it", "--rm", "busybox", "sh", "-c", script];
        let mut terminal = Terminal::start(&docker.command(args));
        // The client sends the size only after the start, so ask until it is there.
        terminal.type_until(b"\n", "24 80");
        terminal.resize_until(41, 133, b"\n", "41 133");
        terminal.type_keys(b"\x04"); // end of file
        assert_eq!(terminal.wait(), Some(4));
    }
}

fn exec_on_a_terminal_is_a_shell(side: Side) {
    for docker in side.dockers() {
        let container = docker.idle_container("shell");
        let exec = docker.command(["exec", "-it", &container.name, "sh"]);
        let mut terminal = Terminal::start(&exec);
        terminal.screen.wait_for("# ");
        terminal.type_keys(b"tty; echo $((6 * 7))\n");
        terminal.screen.wait_for("/dev/pts/");
        terminal.screen.wait_for("\n42");
        terminal.resize_until(50, 120, b"stty size\n", "50 120");
        terminal.type_keys(b"exit 9\n");
        assert_eq!(terminal.wait(), Some(9));
    }
}

fn attach_sees_output_and_detach_keys_leave_it_running(side: Side) {
    for docker in side.dockers() {
        let script = "while read line; do echo got $line; done";
        let container = docker.container("attach", ["-it", "busybox", "sh", "-c", script]);
        let attach = docker.command(["attach", &container.name]);
        let mut terminal = Terminal::start(&attach);
        terminal.type_until(b"hello\n", "got hello");
        terminal.type_keys(b"\x10\x11"); // Ctrl-P Ctrl-Q
        terminal.wait();
        let state = ["inspect", &container.name, "--format", "{{.State.Status}}"];
        assert_eq!(docker.run(state).ok(), "running");
        let attach = docker.command(["attach", "--detach-keys", "ctrl-x,x", &container.name]);
        let mut terminal = Terminal::start(&attach);
        terminal.type_until(b"again\n", "got again");
        terminal.type_keys(b"\x18x");
        terminal.wait();
        assert_eq!(docker.run(state).ok(), "running");
    }
}

fn attach_passes_signals_and_the_exit_code(side: Side) {
    for docker in side.dockers() {
        let script = "trap 'n=$((n + 1)); echo caught $n; [ $n = 1 ] || exit 6' USR1; \
                      echo ready; while :; do sleep 0.05; done";
        let container = docker.container("signals", ["busybox", "sh", "-c", script]);
        docker.start(["logs", "-f", &container.name]).stdout.wait_for("ready");
        let attached = docker.start(["attach", "--no-stdin", &container.name]);
        // The client passes signals on once it is attached; until then one ends the client. Not
        // SIGTERM: newer clients pass that on and end at the same time, whichever comes first.
        let this = format!("container={}", container.name);
        let events = docker.start(["events", "--since", "5m", "--filter", &this]);
        events.stdout.wait_for("container attach");
        let signal = || kill(attached.pid(), Signal::SIGUSR1).unwrap();
        signal();
        // It also looks once more whether the container runs before it shows what that says.
        attached.stdout.wait_for("caught 1");
        signal();
        let done = attached.wait();
        let caught = (done.status.code(), done.stdout.trim());
        assert_eq!(caught, (Some(6), "caught 1\ncaught 2"), "{done}");
    }
}

fn a_client_that_goes_away_ends_its_exec_stream(side: Side) {
    let docker = side.docker();
    let container = docker.idle_container("gone");
    let mut exec = docker.open(["exec", "-i", &container.name, "sh", "-c", "cat; touch /ended"]);
    exec.write(b"x");
    exec.stdout.wait_for("x");
    drop(exec); // killed: its connection breaks, and the command's input must end
    let ended = "until [ -e /ended ]; do sleep 0.05; done; echo yes";
    assert_eq!(docker.run(["exec", &container.name, "sh", "-c", ended]).ok(), "yes");
}

#[test]
fn a_client_that_is_gone_is_noticed_though_its_command_reads_nothing() {
    let gate = Gate::up(&Engine::shared().socket());
    let alice = gate.credentials("alice", "admin");
    let admin = Side::Engine.docker();
    let container = admin.idle_container("unread");
    let mut connection = gate.connect(&alice);
    let create = format!("/v1.41/containers/{}/exec", container.name);
    let command = r#"{"AttachStdin":true,"AttachStdout":true,"Cmd":["sleep","1000"]}"#;
    connection.send(post_json(&create, command));
    let made = connection.answer("POST").text();
    let made: serde_json::Value = serde_json::from_str(&made).unwrap();
    let start = format!("/v1.41/exec/{}/start", made["Id"].as_str().unwrap());
    let start = post_json(&start, "{}")
        .replace("Host: docker\r\n", "Host: docker\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n");
    connection.send(start);
    assert!(connection.head().unwrap().starts_with("HTTP/1.1 101 "));
    connection.flood();
    connection.reset();
    until(
        SHORT,
        || format!("{:?}", gate.records()),
        || gate.records().iter().any(|record| record["ending"] == "client-gone"),
    );
}
