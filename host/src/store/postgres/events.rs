//! Events, and the operations that they make.

use futures_util::future::try_join;

use super::super::rows::{OperationRow, event_place};
use super::super::seal::Seal;
use super::super::written::{NewOperation, Taken, WorkRows, name_of, whose};
use super::connection::{Connection, Failure, all_of};
use super::{fan_outs, lanes};
use crate::domain::{Event, Lane};
use crate::ports::{DeadLetter, JournalError, Work};

/// An event, sealed, with what it makes.
pub struct Arrival {
    pub event: Event,
    pub body: Vec<u8>,
    pub work: WorkRows,
}

impl Arrival {
    pub fn of(event: &Event, work: &Work, seal: &Seal) -> Result<Self, JournalError> {
        let body = seal.pack(&event_place(&event.identity.0), event)?;
        Ok(Self { event: event.clone(), body, work: WorkRows::of(work, seal)? })
    }

    pub fn bytes(&self) -> usize {
        self.body.len() + self.work.bytes()
    }
}

/// Takes events, and makes what they make. Of two that are the same the second one is known.
pub async fn accept(on: &Connection, arrivals: &[Arrival]) -> Result<Vec<Taken>, Failure> {
    // In one order, or two who bring the same ones would wait for each other.
    let mut in_order: Vec<usize> = (0..arrivals.len()).collect();
    in_order.sort_by_key(|place| &arrivals[*place].event.identity.0);
    let taken = all_of(in_order.iter().map(|place| take(on, &arrivals[*place]))).await?;
    let mut taken: Vec<(usize, Taken)> = in_order.into_iter().zip(taken).collect();
    taken.sort_unstable_by_key(|(place, _)| *place);
    let new =
        taken.iter().filter(|(_, taken)| matches!(taken, Taken::New)).map(|(place, _)| &arrivals[*place]);
    let mut new: Vec<&Arrival> = new.collect();
    // Lanes, too; of those of one account in the order in which they came.
    new.sort_by_key(|arrival| {
        arrival.work.operations().first().map(|new| (&new.lane.group.0, new.lane.i_account.0))
    });
    hold_accounts(on, new.iter().flat_map(|arrival| arrival.work.operations())).await?;
    all_of(new.into_iter().map(|Arrival { event, work, .. }| make(on, event, work))).await?;
    Ok(taken.into_iter().map(|(_, taken)| taken).collect())
}

async fn take(on: &Connection, Arrival { event, body, .. }: &Arrival) -> Result<Taken, Failure> {
    let (i_account, i_customer) = whose(event);
    let new = on
        .execute(
            "INSERT INTO event (identity, name, i_account, i_customer, received_at, body)
             VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (identity) DO NOTHING",
            &[&event.identity.0, &name_of(event), &i_account, &i_customer, &event.received_at.millis(), body],
        )
        .await?;
    Ok(match new {
        0 if is_the_same(on, event).await? => Taken::Known,
        0 => Taken::OfAnother,
        _ => Taken::New,
    })
}

async fn make(on: &Connection, event: &Event, work: &WorkRows) -> Result<(), Failure> {
    match work {
        WorkRows::Operations(operations) => {
            let made = operations.iter().map(|operation| insert_operation(on, event, operation));
            all_of(made).await.map(drop)
        }
        WorkRows::FanOut(groups) => fan_outs::begin(on, event, groups).await,
    }
}

/// A signal for one of these accounts comes before its operation, or after it.
pub async fn hold_accounts(
    on: &Connection,
    operations: impl Iterator<Item = &NewOperation>,
) -> Result<(), Failure> {
    let mut keys: Vec<(&str, &str)> =
        operations.map(|new| (new.lane.group.0.as_str(), new.of_account.as_str())).collect();
    keys.sort_unstable();
    let held = keys.chunk_by(|one, other| one.0 == other.0).map(async |of_group| {
        let keys: Vec<&str> = of_group.iter().map(|(_, key)| *key).collect();
        lanes::hold_keys(on, of_group[0].0, &keys).await
    });
    all_of(held).await.map(drop)
}

/// Writes an operation behind the others of its lane, and gives it the signals that wait for it.
pub async fn insert_operation(
    on: &Connection,
    event: &Event,
    NewOperation { lane, of_account, row }: &NewOperation,
) -> Result<(), Failure> {
    let lane_id = hold_lane(on, lane).await?;
    let seq = insert_row(on, lane_id, event, row).await?;
    let claim = lanes::claim_kept_signals(on, &lane.group, of_account, seq);
    try_join(claim, lanes::settle(on, lane_id, event.received_at.millis())).await.map(drop)
}

/// Numbers of events come again after PortaBilling was restored from a copy.
async fn is_the_same(on: &Connection, event: &Event) -> Result<bool, Failure> {
    let (i_account, i_customer) = whose(event);
    let row = on
        .one(
            "SELECT name = $2 AND i_account IS NOT DISTINCT FROM $3 AND i_customer IS NOT DISTINCT FROM $4
             FROM event WHERE identity = $1",
            &[&event.identity.0, &name_of(event), &i_account, &i_customer],
        )
        .await?;
    Ok(row.get(0))
}

async fn insert_row(on: &Connection, lane: i64, event: &Event, row: &OperationRow) -> Result<i64, Failure> {
    let received_at = event.received_at.millis();
    let inserted = on
        .one(
            "INSERT INTO operation (id, lane, event, stage, word, open, gives_way, compare_at, due, received_at, changed_at,
                                    ended_at, laid_down, state)
             VALUES ($1, $2, $3, $4, $5, $6, $7, 0, $8, $9, $9, CASE WHEN $6 THEN NULL ELSE $9::bigint END, $10, $11)
             RETURNING seq",
            &[
                &row.id,
                &lane,
                &event.identity.0,
                &row.stage,
                &row.word,
                &row.open,
                &i32::from(row.gives_way),
                &row.due,
                &received_at,
                &row.laid_down,
                &row.state,
            ],
        )
        .await?;
    Ok(inserted.get(0))
}

/// The lane, made when there is none, and held.
async fn hold_lane(on: &Connection, lane: &Lane) -> Result<i64, Failure> {
    if let Some(id) = lanes::hold_of(on, &lane.group.0, lane.i_account).await? {
        return Ok(id);
    }
    // Somebody else may be making it.
    let made = on
        .one(
            "INSERT INTO lane (grp, i_account) VALUES ($1, $2)
             ON CONFLICT (grp, i_account) DO UPDATE SET grp = excluded.grp RETURNING id",
            &[&lane.group.0, &lane.i_account.0.cast_signed()],
        )
        .await?;
    Ok(made.get(0))
}

pub async fn keep_dead_letter(on: &Connection, letter: &DeadLetter, body: &[u8]) -> Result<(), Failure> {
    on.execute(
        "INSERT INTO dead_letter (id, at, why, body) VALUES ($1, $2, $3, $4) ON CONFLICT (id) DO NOTHING",
        &[&letter.id, &letter.at.millis(), &letter.why, &body],
    )
    .await
    .map(drop)
}
