use std::io::{Read as _, Write as _};
use std::os::unix::net::UnixListener;
use std::path::PathBuf;

use super::*;
use crate::enrol::context;
use crate::enrol::owner::Owner;
use crate::state::{Lock, Store};

/// A host of its own: an engine that answers, folders, nothing else.
struct World {
    dir: tempfile::TempDir,
    context: Context,
    host: Host,
    invoker: Invoker,
    /// An address that was free a moment ago.
    listen: String,
}

impl World {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let engine = UnixListener::bind(dir.path().join("docker.sock")).unwrap();
        std::thread::spawn(move || {
            for stream in engine.incoming() {
                let mut stream = stream.unwrap();
                let asked = stream.read(&mut [0; 1024]).unwrap();
                assert_ne!(asked, 0);
                stream.write_all(b"HTTP/1.1 200 OK\r\nApi-Version: 1.41\r\n\r\nOK").unwrap();
            }
        });
        let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        Self {
            listen: format!("tcp://{free}"),
            context: Context {
                config_file: dir.path().join("etc/seawall.toml"),
                state_dir: dir.path().join("state"),
                json: false,
            },
            host: Host::look(),
            invoker: Invoker { owner: Owner::Current, docker_config: dir.path().join("docker") },
            dir,
        }
    }

    /// What `up` with these flags says, up to where it would serve.
    fn up(&self, args: &Args) -> Result<String, Error> {
        let plan = plan::make(&self.context, args, &self.host)?;
        set_up(&self.context, &plan, &self.host, &self.invoker)
    }

    fn flags(&self) -> Args {
        Args {
            listen: vec![self.listen.clone()],
            upstream: Some(format!("unix://{}", self.path("docker.sock").display())),
            ..Args::default()
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Everything that could be changed: the files but for the store's and its lock.
    fn files(&self) -> Vec<(PathBuf, Vec<u8>)> {
        let mut found = Vec::new();
        let mut folders = vec![self.path("etc"), self.path("docker")];
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
                match entry.path() {
                    path if path.is_dir() => folders.push(path),
                    path => found.push((path.clone(), std::fs::read(path).unwrap())),
                }
            }
        }
        found.sort();
        found
    }

    /// Names in the gate's certificate, and its serial's worth: the whole chain.
    fn certificate(&self) -> (Vec<String>, String) {
        let store = Store::open(Lock::take(&self.context.state_dir).unwrap()).unwrap();
        let certificate = store.server_certificate().unwrap().unwrap();
        (certificate.hostnames, certificate.chain)
    }
}

#[test]
fn the_first_run_makes_everything_and_the_second_changes_nothing() {
    let world = World::new();
    let first = world.up(&world.flags()).unwrap();
    for made in
        ["made            the configuration", "a CA and the", "with the role admin", "SHA256:"]
    {
        assert!(first.contains(made), "{made:?} is not in\n{first}");
    }
    assert!(first.contains("docker --context seawall ps"), "{first}");
    let (names, chain) = world.certificate();
    for name in ["localhost", "127.0.0.1", "::1"].map(str::to_owned) {
        assert!(names.contains(&name), "{name} is not in {names:?}");
    }
    assert_eq!(context::list(&world.path("docker")).unwrap().len(), 1);

    let files = world.files();
    let second = world.up(&world.flags()).unwrap();
    assert!(!second.contains("made"), "{second}");
    assert!(second.contains("SHA256:"), "{second}");
    assert_eq!(world.files(), files);
    assert_eq!(world.certificate().1, chain);
    // Without any flag as well.
    assert!(!world.up(&Args::default()).unwrap().contains("made"));
    assert_eq!(world.files(), files);
}

#[test]
fn new_host_names_go_into_the_file_and_the_certificate() {
    let world = World::new();
    world.up(&world.flags()).unwrap();
    let args = Args { hostname: vec!["docker.example.com".to_owned()], ..Args::default() };
    let told = world.up(&args).unwrap();
    assert!(told.starts_with("changed         the names"), "{told}");
    let (names, chain) = world.certificate();
    assert!(names.contains(&"docker.example.com".to_owned()), "{names:?}");
    assert!(!world.up(&args).unwrap().contains("changed"));
    assert_eq!(world.certificate().1, chain);

    let args = Args { hostname: vec!["not a name".to_owned()], ..Args::default() };
    assert_eq!(world.up(&args).unwrap_err().exit_code(), 2);
}

#[test]
fn a_flag_that_differs_from_the_file_is_refused_naming_the_key() {
    let world = World::new();
    world.up(&world.flags()).unwrap();
    let differing = [
        Args { listen: vec!["tcp://127.0.0.1:1".to_owned()], ..Args::default() },
        Args { upstream: Some("unix:///run/other.sock".to_owned()), ..Args::default() },
        Args { allow: vec!["10.0.0.0/8".to_owned()], ..Args::default() },
    ];
    let told = differing.map(|args| {
        let error = world.up(&args).unwrap_err();
        assert_eq!(error.exit_code(), 2);
        let told = error.to_string().replace(world.dir.path().to_str().unwrap(), "D");
        told.replace(&world.listen, "LISTEN")
    });
    insta::assert_snapshot!(told.join("\n"), @"
        error: `--listen` differs from `listen` in `D/etc/seawall.toml`, which is `LISTEN`
        hint: leave out `--listen`, or change `listen` there and run `seawall reload`
        error: `--upstream` differs from `upstream` in `D/etc/seawall.toml`, which is `unix://D/docker.sock`
        hint: leave out `--upstream`, or change `upstream` there and run `seawall reload`
        error: `--allow` differs from `network.allow` in `D/etc/seawall.toml`
        hint: leave out `--allow`, or change `network.allow` there and run `seawall reload`
        ");
}

#[test]
fn a_setup_cut_short_is_ended_by_the_next_run() {
    // Cut after the configuration, before the state.
    let world = World::new();
    let plan = plan::make(&world.context, &world.flags(), &world.host).unwrap();
    let Change::New(text) = &plan.change else { panic!("{plan:?}") };
    plan::write(&world.context.config_file, text).unwrap();
    assert!(world.up(&world.flags()).unwrap().contains("with the role admin"));

    // Cut after the identity, before its context: a directory stands where docker keeps them.
    let world = World::new();
    let contexts = world.path("docker/contexts");
    std::fs::create_dir_all(&contexts).unwrap();
    std::fs::write(contexts.join("tls"), "in the way").unwrap();
    world.up(&world.flags()).unwrap_err();
    std::fs::remove_file(contexts.join("tls")).unwrap();
    let told = world.up(&world.flags()).unwrap();
    assert!(told.contains("with the role admin"), "{told}");
    assert_eq!(context::list(&world.path("docker")).unwrap().len(), 1);
    assert!(!world.up(&world.flags()).unwrap().contains("made"));
}

#[test]
fn nothing_is_made_where_there_is_no_engine() {
    let world = World::new();
    let mut args = world.flags();
    args.upstream = Some(format!("unix://{}", world.path("none.sock").display()));
    let error = world.up(&args).unwrap_err();
    let told = error.to_string().replace(world.dir.path().to_str().unwrap(), "D");
    insta::assert_snapshot!(told, @"
        error: the Docker engine at unix://D/none.sock does not answer (no such socket)
        hint: is Docker installed and running? `sudo systemctl start docker`
        hint: say where it is otherwise: `--upstream unix:///PATH`
        ");
    assert!(world.files().is_empty() && !world.context.state_dir.exists());
}

#[test]
fn a_public_address_needs_a_word_about_who_may_reach_it() {
    let world = World::new();
    let public = |args: Args| {
        let args = Args { listen: vec!["tcp://203.0.113.7:2376".to_owned()], yes: true, ..args };
        plan::make(&world.context, &args, &world.host)
    };
    insta::assert_snapshot!(public(Args::default()).unwrap_err(), @"
        error: the gate would listen on the public address 203.0.113.7
        hint: say who may reach it: `seawall up --allow 203.0.113.0/24`
        hint: or that everybody may, certificates being asked for in any case: `seawall up --allow-any`
        ");
    let networks = |args: Args| public(args).unwrap().config.networks;
    assert!(networks(Args { allow_any: true, ..Args::default() }).admits([8, 8, 8, 8].into()));
    let allow = networks(Args { allow: vec!["10.0.0.0/8".to_owned()], ..Args::default() });
    assert!(allow.admits([10, 0, 0, 1].into()) && !allow.admits([8, 8, 8, 8].into()));
    assert!(allow.admits([127, 0, 0, 1].into()), "the context that it makes is for this host");
    let error = public(Args { allow: vec!["ten".to_owned()], ..Args::default() }).unwrap_err();
    assert!(error.message.starts_with("--allow: `ten` is not a network"), "{error}");
}
