//! What the tests stand on: private engines, gates, and the real clients.

pub(crate) mod client;
pub(crate) mod engine;
pub(crate) mod gate;
pub(crate) mod netns;
pub(crate) mod open_engine;
pub(crate) mod plugins;
pub(crate) mod process;
pub(crate) mod raw;
pub(crate) mod relay;
pub(crate) mod ssh;
pub(crate) mod sshd;
pub(crate) mod systemd;
pub(crate) mod terminal;
pub(crate) mod token;
pub(crate) mod wait;

/// Makes each named function two tests: against the bare engine, and through the gate.
macro_rules! on_both_sides {
    ($($name:ident),* $(,)?) => {
        mod by_the_engine {
            $(#[test]
            fn $name() {
                super::$name($crate::support::client::Side::Engine);
            })*
        }
        mod through_the_gate {
            $(#[test]
            fn $name() {
                super::$name($crate::support::client::Side::Gate);
            })*
        }
    };
}
pub(crate) use on_both_sides;

/// The same, and a third through the gate over SSH.
macro_rules! on_every_side {
    ($($name:ident),* $(,)?) => {
        $crate::support::on_both_sides!($($name),*);
        mod over_ssh {
            $(#[test]
            fn $name() {
                super::$name($crate::support::client::Side::Ssh);
            })*
        }
    };
}
pub(crate) use on_every_side;

/// Another through the gate and the host's own sshd, for what streams there.
macro_rules! through_sshd {
    ($($name:ident),* $(,)?) => {
        mod through_sshd {
            $(#[test]
            fn $name() {
                super::$name($crate::support::client::Side::Sshd);
            })*
        }
    };
}
pub(crate) use through_sshd;
