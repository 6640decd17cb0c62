//! When a host last ran.

use super::connection::{Connection, Failure};
use crate::domain::Timestamp;

pub async fn last(on: &Connection) -> Result<Option<Timestamp>, Failure> {
    let last = on.optional("SELECT value FROM meta WHERE name = 'alive'", &[]).await?;
    Ok(last.and_then(|row| row.get::<_, String>(0).parse().ok()).map(Timestamp::from_millis))
}

pub async fn tell(on: &Connection, now: Timestamp) -> Result<(), Failure> {
    on.execute(
        "INSERT INTO meta (name, value) VALUES ('alive', $1) ON CONFLICT (name) DO UPDATE SET value = excluded.value",
        &[&now.millis().to_string()],
    )
    .await
    .map(drop)
}

pub async fn ping(on: &Connection) -> Result<(), Failure> {
    on.execute(
        "INSERT INTO meta (name, value) VALUES ('ping', '0')
         ON CONFLICT (name) DO UPDATE SET value = CASE meta.value WHEN '0' THEN '1' ELSE '0' END",
        &[],
    )
    .await
    .map(drop)
}
