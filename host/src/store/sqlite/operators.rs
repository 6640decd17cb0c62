//! What operators look at, and what they did.

use rusqlite::types::Value;
use rusqlite::{Connection, OptionalExtension as _, params, params_from_iter};

use super::super::rows::{StoredOperation, i_account};
use super::super::stored::{LeasedLane, StoredTold, select_lines};
use super::super::text;
use super::{lanes, sql};
use crate::domain::{Group, OperationId, Person, State, Timestamp};
use crate::ports::{Audit, AuditsSought, Claim, JournalError, Line, Sought};

/// The state in which a person sees an operation. Whoever moves a lane whose head was not read yet reads it now; and
/// of a group whose requests do not leave, what has one to send is held.
const SEEN: &str = "CASE
    WHEN l.owner IS NOT NULL AND o.stage = 'received'
         AND o.seq = (SELECT MIN(p.seq) FROM operation p WHERE p.lane = o.lane AND p.open = 1) THEN 'querying'
    WHEN o.stage IN ('asking', 'ready') AND o.word IN ('sending', 'retrying')
         AND l.grp IN (SELECT value FROM json_each(?1)) THEN 'held'
    ELSE o.word END";

/// The newest first.
pub fn lines(connection: &Connection, sought: &Sought) -> Result<Vec<Line>, JournalError> {
    let held: Vec<&str> = sought.held.iter().map(|group| group.0.as_str()).collect();
    let mut values: Vec<Value> = vec![serde_json::json!(held).to_string().into()];
    let mut conditions = vec!["o.word <> 'purged'".to_owned()];
    let mut also = |condition: &str, value: Option<Value>| {
        if let Some(value) = value {
            values.push(value);
            conditions.push(condition.replace('?', &format!("?{}", values.len())));
        }
    };
    also("l.grp = ?", sought.group.as_ref().map(|group| group.0.clone().into()));
    also("l.i_account = ?", sought.i_account.map(|account| account.0.cast_signed().into()));
    also("o.event = ?", sought.event.as_ref().map(|event| event.0.clone().into()));
    also("o.seq < ?", sought.before.map(|seq| seq.cast_signed().into()));
    also("o.open = ? AND o.word IN ('parked', 'in-doubt', 'overdue')", sought.problems.then(|| 1.into()));
    let selects = select_lines(sought, SEEN, &conditions);
    let most = i64::try_from(sought.most).unwrap_or(i64::MAX);
    let text = format!("{selects} ORDER BY 1 DESC LIMIT {most}");
    connection
        .prepare(&text)
        .and_then(|mut select| select.query_map(params_from_iter(values), line).and_then(Iterator::collect))
        .map_err(sql)
}

fn line(row: &rusqlite::Row<'_>) -> rusqlite::Result<Line> {
    let word: String = row.get(5)?;
    Ok(Line {
        seq: row.get::<_, i64>(0)?.cast_unsigned(),
        id: OperationId(row.get(1)?),
        group: Group(row.get(2)?),
        i_account: i_account(row.get(3)?),
        event: row.get(4)?,
        state: State::from_word(&word).unwrap_or(State::Received),
        received_at: Timestamp::from_millis(row.get(6)?),
        changed_at: Timestamp::from_millis(row.get(7)?),
        due: Timestamp::from_millis(row.get(8)?),
    })
}

pub fn told(connection: &Connection, id: &str) -> Result<Option<StoredTold>, JournalError> {
    let seq = connection
        .prepare_cached("SELECT seq FROM operation WHERE id = ?1 AND word <> 'purged'")
        .and_then(|mut select| select.query_row([id], |row| row.get(0)).optional())
        .map_err(sql)?;
    let Some(seq) = seq else { return Ok(None) };
    let operation = stored(connection, seq)?;
    let notes = connection
        .prepare_cached("SELECT at, note FROM timeline WHERE operation = ?1 ORDER BY id")
        .and_then(|mut select| {
            select.query_map([seq], |row| Ok((row.get(0)?, row.get(1)?)))?.collect::<Result<Vec<_>, _>>()
        })
        .map_err(sql)?;
    let head = head_beside(connection, seq)?;
    Ok(Some(StoredTold { operation, notes, head }))
}

fn stored(connection: &Connection, seq: i64) -> Result<StoredOperation, JournalError> {
    connection
        .prepare_cached(
            "SELECT o.seq, o.id, l.grp, l.i_account, o.due, o.event, e.body, o.laid_down, o.state
             FROM operation o JOIN lane l ON l.id = o.lane JOIN event e ON e.identity = o.event
             WHERE o.seq = ?1",
        )
        .and_then(|mut select| select.query_row([seq], lanes::stored_operation))
        .map(|(_, operation)| operation)
        .map_err(sql)
}

/// One of each group. Only what is open is looked at, however much has ended.
pub fn oldest_open(connection: &Connection) -> Result<Vec<StoredOperation>, JournalError> {
    let seqs: Vec<i64> = connection
        .prepare_cached(
            "SELECT o.seq, MIN(o.received_at)
             FROM operation o INDEXED BY operation_open CROSS JOIN lane l ON l.id = o.lane
             WHERE o.open = 1 GROUP BY l.grp",
        )
        .and_then(|mut select| select.query_map([], |row| row.get(0))?.collect())
        .map_err(sql)?;
    seqs.into_iter().map(|seq| stored(connection, seq)).collect()
}

fn head_beside(connection: &Connection, seq: i64) -> Result<Option<String>, JournalError> {
    let Some(head) = lanes::open_head_beside(connection, seq)? else { return Ok(None) };
    connection
        .prepare_cached("SELECT id FROM operation WHERE seq = ?1")
        .and_then(|mut select| select.query_row([head], |row| row.get(0)).optional())
        .map_err(sql)
}

/// Takes the lane of an operation, if that stands first in it and nobody moves it.
pub fn take(connection: &Connection, id: &str, claim: &Claim) -> Result<Option<LeasedLane>, JournalError> {
    let lane: Option<(i64, i64)> = connection
        .prepare_cached(
            "UPDATE lane SET owner = ?1, lease_until = ?2, epoch = epoch + 1, due = ?4, sends = 0, looks = 0
             WHERE id = (SELECT lane FROM operation WHERE id = ?3) AND (owner IS NULL OR lease_until <= ?4)
             RETURNING id, epoch",
        )
        .and_then(|mut take| {
            let values = params![claim.owner, claim.until.millis(), id, claim.now.millis()];
            take.query_row(values, |row| Ok((row.get(0)?, row.get(1)?))).optional()
        })
        .map_err(sql)?;
    let Some((lane, epoch)) = lane else { return Ok(None) };
    match lanes::head(connection, lane)? {
        Some(head) if head.operation.id == id => Ok(Some((lane, epoch.cast_unsigned(), head))),
        _ => {
            lanes::settle_and_free(connection, lane, claim.now.millis())?;
            Ok(None)
        }
    }
}

pub fn audit(connection: &Connection, entry: &Audit) -> Result<(), JournalError> {
    connection
        .prepare_cached("INSERT INTO audit (at, who, why, what, about) VALUES (?1, ?2, ?3, ?4, ?5)")
        .and_then(|mut insert| {
            let Audit { at, person, what, about } = entry;
            let (who, why) = (text::plain(&person.who), text::plain(&person.why));
            insert.execute(params![at.millis(), who, why, what, about])
        })
        .map_err(sql)?;
    Ok(())
}

/// The newest first.
pub fn audits(connection: &Connection, sought: &AuditsSought) -> Result<Vec<(u64, Audit)>, JournalError> {
    let AuditsSought { group, operation, before, most } = sought;
    let values = params![
        before.map_or(i64::MAX, u64::cast_signed),
        operation.as_ref().map(|operation| &operation.0),
        group.as_ref().map(|group| &group.0),
        i64::try_from(*most).unwrap_or(i64::MAX),
    ];
    connection
        .prepare_cached(
            "SELECT a.id, a.at, a.who, a.why, a.what, a.about FROM audit a
             WHERE a.id < ?1 AND (?2 IS NULL OR a.about = ?2)
               AND (?3 IS NULL OR a.about = ?3
                    OR EXISTS (SELECT 1 FROM operation o JOIN lane l ON l.id = o.lane
                               WHERE o.id = a.about AND l.grp = ?3))
             ORDER BY a.id DESC LIMIT ?4",
        )
        .and_then(|mut select| {
            select
                .query_map(values, |row| {
                    let audit = Audit {
                        at: Timestamp::from_millis(row.get(1)?),
                        person: Person { who: row.get(2)?, why: row.get(3)? },
                        what: row.get(4)?,
                        about: row.get(5)?,
                    };
                    Ok((row.get::<_, i64>(0)?.cast_unsigned(), audit))
                })
                .and_then(Iterator::collect)
        })
        .map_err(sql)
}
