//! Which versions and suites a port takes, one hello a question.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use seawall_rules::exposure::address::hello::{self, Answer};
use seawall_rules::exposure::address::suites::{Strength, Version, offered, suite};
use seawall_rules::exposure::address::{Offer, Reply, Target};

use super::wire::{self, Heard};

/// Asks for every version, the newest first; `None` when the port does not speak TLS.
pub(super) async fn versions(
    target: &Target,
    address: SocketAddr,
    plain: &Reply,
    patience: Duration,
) -> Option<Vec<(Version, Offer)>> {
    let mut all = Vec::new();
    let (mut speaks_tls, mut asked_for_weak) = (false, false);
    let asking = Asking { target, address, patience };
    for version in Version::ALL.into_iter().rev() {
        let every: Vec<u16> = offered(version).collect();
        let offer = match asking.ask(version, &every).await {
            Asked::Hello(chosen) => {
                // Of what TLS 1.3 has nothing is weak; and what one old version takes of the weak
                // ones, the older ones take too.
                let mut taken = Vec::new();
                if version < Version::Tls13 && !asked_for_weak {
                    asked_for_weak = true;
                    taken = asking.weak_suites(version).await;
                }
                Offer::Spoken(chosen, taken)
            }
            Asked::Refused => Offer::Refused,
            // HTTP came, or the like. A port that has just said something else is not asked on.
            Asked::NotTls if !speaks_tls => return None,
            Asked::NotTls => Offer::Unknown("no answer that makes sense".to_owned()),
            Asked::Nothing(why) => Offer::Unknown(why),
        };
        speaks_tls |= !matches!(offer, Offer::Unknown(_));
        // Some servers answer a version they do not know with nothing; so do ports on which
        // nothing at all is said.
        let mute = *plain == Reply::Silent || version < Version::Tls13;
        if !speaks_tls && mute {
            return None;
        }
        all.push((version, offer));
    }
    Some(all)
}

struct Asking<'a> {
    target: &'a Target,
    address: SocketAddr,
    patience: Duration,
}

enum Asked {
    Hello(u16),
    Refused,
    NotTls,
    Nothing(String),
}

impl Asking<'_> {
    async fn ask(&self, version: Version, suites: &[u16]) -> Asked {
        let mut random = [0; 32];
        if aws_lc_rs::rand::fill(&mut random).is_err() {
            return Asked::Nothing("no random numbers".to_owned());
        }
        let host = self.target.host.as_str();
        let is_address = host.contains(':') || host.parse::<IpAddr>().is_ok();
        let name = (!is_address).then_some(host);
        let question = hello::client_hello(version, suites, &random, name);
        let Ok(mut stream) = wire::dial(self.address, self.patience).await else {
            return Asked::Nothing("the connection failed".to_owned());
        };
        let answer = |bytes: &[u8]| match hello::answer(bytes) {
            Answer::Incomplete => None,
            answer => Some(answer),
        };
        match wire::ask(&mut stream, &question, self.patience, answer).await {
            Heard::Answer(Answer::Hello { version: chosen, suite })
                if chosen == version.code() && suites.contains(&suite) =>
            {
                Asked::Hello(suite)
            }
            // Another version than the one that was offered is a refusal too (RFC 5246, E.1).
            Heard::Answer(Answer::Hello { .. } | Answer::Alert(_)) => Asked::Refused,
            Heard::Answer(Answer::NotTls | Answer::Incomplete) => Asked::NotTls,
            Heard::Closed(_) | Heard::Broke(_) => Asked::Nothing("it hangs up".to_owned()),
            Heard::Silent(_) => Asked::Nothing("no answer in time".to_owned()),
        }
    }

    /// The weak suites that are taken where nothing else is offered, one by one.
    async fn weak_suites(&self, version: Version) -> Vec<u16> {
        let weak = |code: &u16| suite(*code).is_some_and(|it| it.strength > Strength::Good);
        let mut left: Vec<u16> = offered(version).filter(weak).collect();
        let mut taken = Vec::new();
        while !left.is_empty() {
            let Asked::Hello(chosen) = self.ask(version, &left).await else { break };
            left.retain(|&code| code != chosen);
            taken.push(chosen);
        }
        taken
    }
}
