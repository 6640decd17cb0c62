//! Which components are kept of each group, who needs them still, and to which one a person pins it.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use serde::Deserialize;
use serde_json::{Value, json};

use super::operations::{Body, Signed, signed};
use super::reload::{pin_shown, problem};
use super::{Door, Problem};
use crate::domain::{Digest, Group, Person};
use crate::ports::{Deciders, KeptComponent, KeptOf, NotPinned};

/// With how many open operations each decided last.
pub async fn list(State(door): State<Arc<Door>>) -> Result<Json<Value>, Problem> {
    let open = door.operators.journal().deciders().await?;
    let groups = door.reloads.kept().await;
    let groups: Vec<Value> = groups.iter().map(|group| told(group, &open)).collect();
    Ok(Json(json!({ "groups": groups })))
}

fn told(of: &KeptOf, open: &Deciders) -> Value {
    let count =
        |digest: Option<&Digest>| open.get(&(of.group.clone(), digest.cloned())).copied().unwrap_or(0);
    let kept = of.kept.iter().map(|KeptComponent { digest, kept_at, bytes }| {
        let (digest, open) = (digest.to_string(), count(Some(digest)));
        json!({ "digest": digest, "kept_at": kept_at.to_string(), "bytes": bytes, "open": open })
    });
    let is_kept = |digest: &Digest| of.kept.iter().any(|it| it.digest == *digest);
    let of_it = open.iter().filter(|((group, _), _)| *group == of.group);
    let deciding = of_it.filter_map(|((_, digest), open)| Some((digest.as_ref()?, open)));
    let gone: BTreeMap<String, u64> = deciding
        .filter(|(digest, _)| !is_kept(digest))
        .map(|(digest, open)| (digest.to_string(), *open))
        .collect();
    json!({
        "group": of.group.0,
        "serves": of.serves.as_ref().map(ToString::to_string),
        "pin": of.pin.as_ref().map(pin_shown),
        "kept": kept.collect::<Vec<_>>(),
        "undecided": count(None),
        "gone": gone,
    })
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Wanted {
    /// Or how it begins; without it the one that serves.
    digest: Option<String>,
    who: String,
    why: String,
}

pub async fn pin(
    State(door): State<Arc<Door>>,
    Path(group): Path<String>,
    body: Body<Wanted>,
) -> Result<Json<Value>, Problem> {
    let Json(Wanted { digest, who, why }) = body.map_err(|why| Problem::unreadable(&why))?;
    let (group, person) = (Group(group), Signed { who, why }.person()?);
    let to = door.reloads.kept_as(&group, digest.as_deref()).await?;
    door.operators.may_serve(&to)?;
    turned(door, group, Some(to), person).await
}

pub async fn unpin(
    State(door): State<Arc<Door>>,
    Path(group): Path<String>,
    body: Body<Signed>,
) -> Result<Json<Value>, Problem> {
    turned(door, Group(group), None, signed(body)?).await
}

/// Whoever asked may hang up, and what is begun is finished all the same.
async fn turned(
    door: Arc<Door>,
    group: Group,
    to: Option<Digest>,
    person: Person,
) -> Result<Json<Value>, Problem> {
    let turning = tokio::spawn(async move {
        let reloaded = door.reloads.pin(&group, to.clone()).await?;
        door.operators.pinned(&group, to.as_ref(), person).await?;
        let serves = reloaded.groups.iter().find(|(of, _)| *of == group).map(|(_, taken)| &taken.digest);
        let (to, serves) = (to.as_ref().map(ToString::to_string), serves.map(ToString::to_string));
        let problems: Vec<Value> = reloaded.refused_of(&group).map(problem).collect();
        Ok(Json(json!({ "group": group.0, "pinned_to": to, "serves": serves, "problems": problems })))
    });
    turning.await.unwrap_or_else(|error| Err(Problem::of_ours(&error)))
}

impl From<NotPinned> for Problem {
    fn from(refused: NotPinned) -> Self {
        match refused {
            NotPinned::Unknown(_) => Self::unknown(refused.to_string()),
            NotPinned::NotNow(_) => Self::conflict(refused.to_string()),
        }
    }
}
