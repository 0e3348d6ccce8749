//! `docs/reference/roles.md`, written from the keys of a role, the built-in roles and the catalogue.

use std::fmt::Write as _;

use seawall_rules::facts::CATALOGUE;
use seawall_rules::operation::{Class, Operation};
use seawall_rules::policy::{KEYS, Roles};

use crate::cli::reference::assert_matches_checked_in;

#[test]
fn the_reference_of_the_roles_is_their_language() {
    assert_matches_checked_in("roles.md", &page());
}

fn page() -> String {
    let mut page = String::from(
        "# Roles\n\n\
        Generated from the code; do not edit.\n\n\
        A role is a table `[roles.NAME]` in `seawall.toml`, or in any file of `roles.d/*.toml` \
        beside it. It grants what it lists and what it extends, and nothing else; one role must \
        grant all of a request. `seawall policy check` says what is wrong with a role, `seawall \
        policy list NAME` what it grants, `seawall reload` puts it in force.\n\n\
        | key | example | meaning |\n| --- | --- | --- |\n",
    );
    for key in KEYS {
        writeln!(page, "| `{}` | `{}` | {} |", key.name, key.example, key.meaning)
            .expect("a String");
    }
    page += "\n## What no role but `admin` passes\n\n| rule | whoever it refuses may not |\n\
        | --- | --- |\n";
    for escape in CATALOGUE {
        writeln!(page, "| `{}` | {} |", escape.rule, escape.phrase).expect("a String");
    }
    page += "\n## What no role can be given\n\n| operation | because |\n| --- | --- |\n";
    for operation in Operation::ALL.iter().filter(|op| op.route().class != Class::Closed) {
        if let Some(why) = operation.route().admin_only() {
            writeln!(page, "| `{}` | {why} |", operation.as_str()).expect("a String");
        }
    }
    write!(page, "\n## The built-in roles\n\n```toml\n{}```\n", Roles::BUILT_IN).expect("a String");
    page
}
