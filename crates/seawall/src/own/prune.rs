//! Prunes. The engine's own would take in everybody's things, or those of a label, which images
//! give to what is made of them. So what is theirs is gone through by full id, and each is removed
//! as the engine's prune would: nothing that is in use, and nothing by force.

use std::collections::HashSet;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use seawall_rules::facts::ImageName;
use seawall_rules::reference::{Kind, Pruning};
use seawall_rules::verdict::Refusal;
use serde_json::{Value, json};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::ask::Said;
use super::look::{Look, label, text};

impl Look<'_> {
    /// Prunes what is theirs of a kind, and answers as the engine does; but it is not known what
    /// space volumes and images leave.
    pub(super) async fn prune(&mut self, kind: Kind, pruning: &Pruning) -> Result<Value, Refusal> {
        let until = pruning.until.as_deref().map(|until| moment(until, SystemTime::now()));
        let until = until.transpose()?;
        let chosen = |entry: &Value| {
            let labels = entry.get("Labels").unwrap_or(&Value::Null);
            pruning.matches(labels) && until.is_none_or(|until| is_before(entry, until))
        };
        match kind {
            Kind::Container => {
                let (mut gone, mut space) = (Vec::new(), 0);
                let stopped =
                    json!({ "status": { "created": true, "exited": true, "dead": true } });
                let query = [("all", "1"), ("size", "1"), ("filters", &*stopped.to_string())];
                for entry in self.list(&["containers", "json"], &query, "").await? {
                    let id = text(&entry, "/Id");
                    let own = self.is_own(kind, id, label(&entry, "/Labels"), &[]).await?;
                    if own && chosen(&entry) && self.removes(kind, &["containers", id], id).await? {
                        space += entry.get("SizeRw").and_then(Value::as_u64).unwrap_or_default();
                        gone.push(id.to_owned());
                    }
                }
                Ok(json!({ "ContainersDeleted": gone, "SpaceReclaimed": space }))
            }
            Kind::Network => {
                let mut gone = Vec::new();
                for entry in self.list(&["networks"], &[], "").await? {
                    let id = text(&entry, "/Id");
                    let own = self.is_own(kind, id, label(&entry, "/Labels"), &[]).await?;
                    if own && chosen(&entry) && self.removes(kind, &["networks", id], id).await? {
                        gone.push(text(&entry, "/Name").to_owned());
                    }
                }
                Ok(json!({ "NetworksDeleted": gone }))
            }
            Kind::Volume => {
                let mut gone = Vec::new();
                for entry in self.list(&["volumes"], &[], "/Volumes").await? {
                    let id = text(&entry, "/Name");
                    let labels = entry.get("Labels").unwrap_or(&Value::Null);
                    let is_meant = pruning.all || labels.get(ANONYMOUS).is_some();
                    let own = self.is_own(kind, id, label(&entry, "/Labels"), &[]).await?;
                    let is_meant = own && is_meant && chosen(&entry);
                    if is_meant && self.removes(kind, &["volumes", id], id).await? {
                        gone.push(id.to_owned());
                    }
                }
                Ok(json!({ "VolumesDeleted": gone, "SpaceReclaimed": 0 }))
            }
            Kind::Image => self.prune_images(pruning, chosen).await,
            Kind::Exec | Kind::Pulled | Kind::Tag => Ok(Value::Null),
        }
    }

    async fn prune_images(
        &mut self,
        pruning: &Pruning,
        chosen: impl Fn(&Value) -> bool,
    ) -> Result<Value, Refusal> {
        let containers = self.list(&["containers", "json"], &[("all", "1")], "").await?;
        let used: HashSet<&str> = containers.iter().map(|entry| text(entry, "/ImageID")).collect();
        let mut gone = Vec::new();
        for entry in self.list(&["images", "json"], &[], "").await? {
            let id = text(&entry, "/Id");
            if used.contains(id) || !chosen(&entry) {
                continue;
            }
            let tags = entry.get("RepoTags").and_then(Value::as_array).into_iter().flatten();
            let tags = tags
                .filter_map(Value::as_str)
                .filter_map(|name| Some((name, ImageName::new(name).canonical()?.to_owned())));
            let tags: Vec<(&str, String)> = tags.collect();
            if tags.is_empty() {
                if self.is_own(Kind::Image, id, label(&entry, "/Labels"), &[]).await? {
                    gone.extend(self.remove_image(id).await?);
                    self.forget(vec![(Kind::Image, id.to_owned())]).await?;
                }
            } else if !pruning.dangling && tags.iter().all(|(_, name)| self.may_remove(name)) {
                for (tag, name) in &tags {
                    gone.extend(self.remove_image(tag).await?);
                    self.forget(vec![(Kind::Tag, name.clone()), (Kind::Pulled, name.clone())])
                        .await?;
                }
                self.forget(vec![(Kind::Image, id.to_owned())]).await?;
            }
        }
        Ok(json!({ "ImagesDeleted": gone, "SpaceReclaimed": 0 }))
    }

    async fn remove_image(&mut self, name: &str) -> Result<Vec<Value>, Refusal> {
        let mut path = vec!["images"];
        path.extend(name.split('/'));
        match self.asking.delete(self.engine, &path).await? {
            Said::Thing(gone) => Ok(gone.as_array().cloned().unwrap_or_default()),
            Said::Nothing => Ok(Vec::new()),
        }
    }

    /// Whether the engine has removed it; what is in use stays.
    async fn removes(&mut self, kind: Kind, path: &[&str], id: &str) -> Result<bool, Refusal> {
        match self.asking.delete(self.engine, path).await? {
            Said::Nothing => Ok(false),
            Said::Thing(_) => {
                self.forget(vec![(kind, id.to_owned())]).await?;
                Ok(true)
            }
        }
    }

    async fn list(
        &mut self,
        path: &[&str],
        query: &[(&str, &str)],
        at: &str,
    ) -> Result<Vec<Value>, Refusal> {
        match self.asking.get(self.engine, path, query).await? {
            Said::Thing(list) => {
                Ok(list.pointer(at).and_then(Value::as_array).cloned().unwrap_or_default())
            }
            Said::Nothing => Ok(Vec::new()),
        }
    }
}

/// The label of volumes that got their name from the engine.
const ANONYMOUS: &str = "com.docker.volume.anonymous";

/// Whether it was made before that moment; in seconds, or as RFC 3339.
fn is_before(entry: &Value, until: i64) -> bool {
    let created = entry.get("Created");
    let seconds = created.and_then(Value::as_i64).or_else(|| {
        let written = created.and_then(Value::as_str)?;
        Some(OffsetDateTime::parse(written, &Rfc3339).ok()?.unix_timestamp())
    });
    seconds.is_some_and(|seconds| seconds < until)
}

/// Seconds since 1970: as such, as RFC 3339, or as a duration before now (`1h30m`).
fn moment(written: &str, now: SystemTime) -> Result<i64, Refusal> {
    let seconds = written.split('.').next().and_then(|whole| whole.parse().ok());
    let date = || Some(OffsetDateTime::parse(written, &Rfc3339).ok()?.unix_timestamp());
    let before = || {
        let then = now.checked_sub(duration(written)?)?.duration_since(UNIX_EPOCH).ok()?;
        i64::try_from(then.as_secs()).ok()
    };
    seconds.or_else(date).or_else(before).ok_or_else(|| {
        let reason = "the filter `until` is neither a duration as `24h`, nor seconds since 1970, \
                      nor a time as `2026-01-02T03:04:05Z`";
        Refusal::malformed("query.filters", reason)
    })
}

fn duration(written: &str) -> Option<Duration> {
    let mut rest = written;
    let mut all = Duration::ZERO;
    while !rest.is_empty() {
        let end = rest.find(|c: char| !c.is_ascii_digit())?;
        let (number, unit) = rest.split_at(end);
        let after = unit.find(|c: char| c.is_ascii_digit()).unwrap_or(unit.len());
        let (unit, next) = unit.split_at(after);
        let seconds = match unit {
            "h" => 3600,
            "m" => 60,
            "s" => 1,
            _ => return None,
        };
        let number = u32::try_from(number.parse::<u64>().ok()?).ok()?;
        all = all.checked_add(Duration::from_secs(seconds).checked_mul(number)?)?;
        rest = next;
    }
    Some(all)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_is_read_as_the_engine_reads_it() {
        let now = UNIX_EPOCH + Duration::from_secs(10_000);
        for (written, expected) in [
            ("17", Some(17)),
            ("17.5", Some(17)),
            ("1970-01-01T00:01:00Z", Some(60)),
            ("1h", Some(6_400)),
            ("1h30m5s", Some(4_595)),
            ("", Some(10_000)),
            ("h", None),
            ("1x", None),
            ("1h3", None),
            ("99999999999h", None),
            ("yesterday", None),
        ] {
            assert_eq!(moment(written, now).ok(), expected, "{written}");
        }
        assert!(is_before(&json!({ "Created": 5 }), 6) && !is_before(&json!({ "Created": 6 }), 6));
        assert!(is_before(&json!({ "Created": "1970-01-01T00:00:05.5Z" }), 6));
        assert!(!is_before(&json!({}), 6));
    }
}
