//! Whatever a channel was to be, it is the engine or refused in one line; a command that means
//! the engine is plain ASCII words of which a shell would make the same.
#![no_main]

use libfuzzer_sys::fuzz_target;
use seawall_rules::ssh::exec::{MAX_COMMAND, Refused, Wish, means_the_engine};

fn told(refused: &Refused) {
    let why = refused.to_string();
    assert!(!why.contains(char::is_control), "{why:?}");
}

fuzz_target!(|bytes: &[u8]| {
    match means_the_engine(Wish::Exec(bytes)) {
        Ok(()) => {
            assert!(bytes.len() <= MAX_COMMAND);
            let command = str::from_utf8(bytes).unwrap();
            let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:= '\"".contains(c);
            assert!(command.chars().all(plain), "{command:?}");
            let words: Vec<_> =
                command.split(' ').map(|word| word.trim_matches(['\'', '"'])).collect();
            assert!(words[0] == "docker" || words[0].ends_with("/docker"), "{command:?}");
            assert!(words.ends_with(&["system", "dial-stdio"]) && words.len() <= 5, "{command:?}");
        }
        Err(refused) => told(&refused),
    }
    let Ok(text) = str::from_utf8(bytes) else { return };
    match means_the_engine(Wish::Streamlocal(text)) {
        Ok(()) => {
            assert!(text.ends_with("docker.sock") || text.ends_with("podman.sock"), "{text:?}");
            assert!(!text.contains("..") && text.contains("run/"), "{text:?}");
        }
        Err(refused) => told(&refused),
    }
    means_the_engine(Wish::Subsystem(text)).inspect_err(told).unwrap_err();
});
