//! What operators look at, and what they did.

use tokio_postgres::Row;
use tokio_postgres::types::ToSql;

use super::super::rows::{StoredOperation, i_account};
use super::super::stored::{LeasedLane, StoredTold, select_lines};
use super::super::text;
use super::connection::{Connection, Failure};
use super::database::Database;
use super::lanes::{self, count};
use crate::domain::{Group, OperationId, Person, State, Timestamp};
use crate::ports::{Audit, AuditsSought, Claim, Line, Sought};

/// The state in which a person sees an operation. Whoever moves a lane whose head was not read yet reads it now; and
/// of a group whose requests do not leave, what has one to send is held.
const SEEN: &str = "CASE
    WHEN l.owner IS NOT NULL AND o.stage = 'received'
         AND o.seq = (SELECT MIN(p.seq) FROM operation p WHERE p.lane = o.lane AND p.open) THEN 'querying'
    WHEN o.stage IN ('asking', 'ready') AND o.word IN ('sending', 'retrying')
         AND l.grp = ANY ($1::text[]) THEN 'held'
    ELSE o.word END";

/// The newest first.
pub async fn lines(on: &Connection, sought: &Sought) -> Result<Vec<Line>, Failure> {
    let held: Vec<&str> = sought.held.iter().map(|group| group.0.as_str()).collect();
    let (group, event) = (sought.group.as_ref(), sought.event.as_ref());
    let (group, event) = (group.map(|group| text::plain(&group.0)), event.map(|event| text::plain(&event.0)));
    let (account, before) =
        (sought.i_account.map(|account| account.0.cast_signed()), sought.before.map(u64::cast_signed));
    let mut values: Vec<&(dyn ToSql + Sync)> = vec![&held];
    let mut conditions = vec!["o.word <> 'purged'".to_owned()];
    let sifted: [(&str, Option<&(dyn ToSql + Sync)>); 4] = [
        ("l.grp =", group.as_ref().map(|value| value as _)),
        ("l.i_account =", account.as_ref().map(|value| value as _)),
        ("o.event =", event.as_ref().map(|value| value as _)),
        ("o.seq <", before.as_ref().map(|value| value as _)),
    ];
    for (condition, value) in sifted {
        if let Some(value) = value {
            values.push(value);
            conditions.push(format!("{condition} ${}", values.len()));
        }
    }
    if sought.problems {
        conditions.push("o.open AND o.word IN ('parked', 'in-doubt', 'overdue')".to_owned());
    }
    let selects = select_lines(sought, SEEN, &conditions);
    let most = count(sought.most);
    values.push(&most);
    let text = format!("{selects} ORDER BY 1 DESC LIMIT ${}", values.len());
    Ok(on.all(&text, &values).await?.iter().map(line).collect())
}

fn line(row: &Row) -> Line {
    let word: &str = row.get(5);
    Line {
        seq: row.get::<_, i64>(0).cast_unsigned(),
        id: OperationId(row.get(1)),
        group: Group(row.get(2)),
        i_account: i_account(row.get(3)),
        event: row.get(4),
        state: State::from_word(word).unwrap_or(State::Received),
        received_at: Timestamp::from_millis(row.get(6)),
        changed_at: Timestamp::from_millis(row.get(7)),
        due: Timestamp::from_millis(row.get(8)),
    }
}

pub async fn told(on: &Connection, id: &str) -> Result<Option<StoredTold>, Failure> {
    let sought = "SELECT seq FROM operation WHERE id = $1 AND word <> 'purged'";
    let seq = on.optional(sought, &[&text::plain(id)]).await?;
    let Some(seq) = seq.map(|row| row.get::<_, i64>(0)) else { return Ok(None) };
    let Some(operation) = stored(on, seq).await? else { return Ok(None) };
    let notes = on.all("SELECT at, note FROM timeline WHERE operation = $1 ORDER BY id", &[&seq]).await?;
    let notes = notes.iter().map(|row| (row.get(0), row.get(1))).collect();
    let head = on
        .optional(
            "SELECT id FROM operation WHERE lane = (SELECT lane FROM operation WHERE seq = $1) AND open
             ORDER BY seq LIMIT 1",
            &[&seq],
        )
        .await?;
    Ok(Some(StoredTold { operation, notes, head: head.map(|row| row.get(0)) }))
}

async fn stored(on: &Connection, seq: i64) -> Result<Option<StoredOperation>, Failure> {
    let found = on
        .optional(
            "SELECT o.seq, o.id, l.grp, l.i_account, o.due, o.event, e.body, o.laid_down, o.state
             FROM operation o JOIN lane l ON l.id = o.lane JOIN event e ON e.identity = o.event
             WHERE o.seq = $1",
            &[&seq],
        )
        .await?;
    Ok(found.as_ref().map(lanes::stored_operation))
}

/// One of each group. Only what is open is looked at, however much has ended.
pub async fn oldest_open(on: &Connection) -> Result<Vec<StoredOperation>, Failure> {
    let seqs = on
        .all(
            "SELECT DISTINCT ON (l.grp) o.seq FROM operation o JOIN lane l ON l.id = o.lane
             WHERE o.open ORDER BY l.grp, o.received_at, o.seq",
            &[],
        )
        .await?;
    let mut oldest = Vec::with_capacity(seqs.len());
    for row in &seqs {
        oldest.extend(stored(on, row.get(0)).await?);
    }
    Ok(oldest)
}

/// Takes the lane of an operation, if that stands first in it and nobody moves it.
pub async fn take(
    on: &Connection,
    id: &str,
    claim: &Claim,
    database: &Database,
) -> Result<Option<LeasedLane>, Failure> {
    let (until, now) = (database.there(claim.until), database.there(claim.now));
    let taken = on
        .optional(
            "UPDATE lane SET owner = $1, lease_until = $2, epoch = epoch + 1, due = $4, sends = FALSE, looks = FALSE
             WHERE id = (SELECT lane FROM operation WHERE id = $3) AND (owner IS NULL OR lease_until <= $5)
             RETURNING id, epoch",
            &[&claim.owner, &until, &text::plain(id), &claim.now.millis(), &now],
        )
        .await?;
    let Some(row) = taken else { return Ok(None) };
    let (lane, epoch): (i64, i64) = (row.get(0), row.get(1));
    match lanes::head(on, lane).await? {
        Some(head) if head.operation.id == id => Ok(Some((lane, epoch.cast_unsigned(), head))),
        _ => {
            lanes::settle_and_free(on, lane, claim.now.millis()).await?;
            Ok(None)
        }
    }
}

pub async fn audit(on: &Connection, entry: &Audit) -> Result<(), Failure> {
    let Audit { at, person, what, about } = entry;
    on.execute(
        "INSERT INTO audit (at, who, why, what, about) VALUES ($1, $2, $3, $4, $5)",
        &[&at.millis(), &text::plain(&person.who), &text::plain(&person.why), what, about],
    )
    .await
    .map(drop)
}

/// The newest first.
pub async fn audits(on: &Connection, sought: &AuditsSought) -> Result<Vec<(u64, Audit)>, Failure> {
    let AuditsSought { group, operation, before, most } = sought;
    let rows = on
        .all(
            "SELECT a.id, a.at, a.who, a.why, a.what, a.about FROM audit a
             WHERE a.id < $1 AND ($2::text IS NULL OR a.about = $2)
               AND ($3::text IS NULL OR a.about = $3
                    OR EXISTS (SELECT 1 FROM operation o JOIN lane l ON l.id = o.lane
                               WHERE o.id = a.about AND l.grp = $3))
             ORDER BY a.id DESC LIMIT $4",
            &[
                &before.map_or(i64::MAX, u64::cast_signed),
                &operation.as_ref().map(|operation| text::plain(&operation.0)),
                &group.as_ref().map(|group| text::plain(&group.0)),
                &count(*most),
            ],
        )
        .await?;
    let audit = |row: &Row| Audit {
        at: Timestamp::from_millis(row.get(1)),
        person: Person { who: row.get(2), why: row.get(3) },
        what: row.get(4),
        about: row.get(5),
    };
    Ok(rows.iter().map(|row| (row.get::<_, i64>(0).cast_unsigned(), audit(row))).collect())
}
