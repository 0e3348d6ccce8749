//! The closed list of checks, as data: one file a subject, in the order of their ids.

pub mod abuse;
pub mod access;
pub mod address;
pub mod container;
pub mod engine;
pub mod firewall;
pub mod gate;
pub mod host;
pub mod network;
pub mod socket;
pub mod tls;

use super::Check;

/// The checks of a file: each a static of its own for the code that finds, and all in a list.
macro_rules! checks {
    ($($name:ident { $id:literal, $scope:ident, $severity:ident, $title:literal,
        why: $why:literal, remedy: $remedy:literal, cis: [$($cis:literal),*],
        reference: $reference:literal $(,)? })*) => {
        $(#[doc = concat!($id, ": ", $title, ".")]
        pub static $name: $crate::exposure::Check = $crate::exposure::Check {
            id: $id,
            scope: $crate::exposure::Scope::$scope,
            severity: $crate::exposure::Severity::$severity,
            title: $title,
            why: $why,
            remedy: $remedy,
            cis: &[$($cis),*],
            reference: $reference,
        };)*
        pub(super) static ALL: &[&$crate::exposure::Check] = &[$(&$name),*];
    };
}
use checks;

/// Every check, by subject.
pub fn all() -> impl Iterator<Item = &'static Check> {
    [
        network::ALL,
        engine::ALL,
        socket::ALL,
        tls::ALL,
        access::ALL,
        container::ALL,
        firewall::ALL,
        host::ALL,
        abuse::ALL,
        gate::ALL,
        address::ALL,
    ]
    .into_iter()
    .flatten()
    .copied()
}

/// The check of that id, in any case.
pub fn named(id: &str) -> Option<&'static Check> {
    all().find(|check| check.id.eq_ignore_ascii_case(id))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_unique_and_well_formed() {
        let mut ids: Vec<_> = all().map(|check| check.id).collect();
        for id in &ids {
            let (subject, number) = id.split_once('-').expect(id);
            assert!(subject.chars().all(|c| c.is_ascii_uppercase()), "{id}");
            assert!(number.len() == 3 && number.parse::<u16>().is_ok(), "{id}");
        }
        let count = ids.len();
        ids.sort_unstable();
        ids.dedup();
        assert_eq!(ids.len(), count);
        assert_eq!(named("net-001"), Some(&network::PLAIN_TCP));
        assert_eq!(named("NET-999"), None);
    }

    #[test]
    fn every_check_says_what_why_and_what_to_do() {
        for check in all() {
            let id = check.id;
            assert!(!check.title.ends_with('.') && check.title.len() < 90, "{id}");
            assert!(check.why.ends_with('.') && check.why.len() > 30, "{id}");
            assert!(!check.remedy.is_empty(), "{id}");
            assert!(check.reference.starts_with("https://"), "{id}");
        }
    }
}
