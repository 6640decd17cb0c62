//! Times as the wire wants them.

use std::time::SystemTime;

use jiff::Timestamp;

fn timestamp(at: SystemTime) -> Timestamp {
    Timestamp::try_from(at).expect("this machine's clock is within the years that can be written")
}

/// As PortaBilling writes times: UTC, with a blank and no zone.
pub(crate) fn billing_time(at: SystemTime) -> String {
    timestamp(at).strftime("%Y-%m-%d %H:%M:%S").to_string()
}

/// As HTTP writes times, in the `Date` header.
pub(crate) fn http_date(at: SystemTime) -> String {
    timestamp(at).strftime("%a, %d %b %Y %H:%M:%S GMT").to_string()
}

/// As TM Forum writes times.
pub(crate) fn rfc3339(at: SystemTime) -> String {
    timestamp(at).strftime("%Y-%m-%dT%H:%M:%S%.3fZ").to_string()
}

pub(crate) fn unix_seconds(at: SystemTime) -> i64 {
    timestamp(at).as_second()
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use super::*;

    #[test]
    fn each_neighbour_has_its_own_way_to_write_a_time() {
        let at = UNIX_EPOCH + Duration::from_millis(1_526_045_293_500);

        assert_eq!(billing_time(at), "2018-05-11 13:28:13");
        assert_eq!(http_date(at), "Fri, 11 May 2018 13:28:13 GMT");
        assert_eq!(rfc3339(at), "2018-05-11T13:28:13.500Z");
        assert_eq!(unix_seconds(at), 1_526_045_293);
    }
}
