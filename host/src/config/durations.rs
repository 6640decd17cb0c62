//! Times as they are written.

use std::time::Duration;

/// As it would be in the file.
pub fn spoken(time: Duration) -> String {
    match time.as_secs() {
        seconds if seconds > 0 && seconds.is_multiple_of(86_400) => format!("{}d", seconds / 86_400),
        _ => format!("{time:?}"),
    }
}

/// `10s`, `15m`, `30d`.
pub fn duration(text: &str) -> Option<Duration> {
    // The library knows days, too, but not how long one is.
    if let Some(days) = text.strip_suffix('d') {
        return Some(Duration::from_secs(days.trim().parse::<u32>().ok()? as u64 * 86_400));
    }
    let signed: jiff::SignedDuration = text.parse().ok()?;
    Duration::try_from(signed).ok()
}
