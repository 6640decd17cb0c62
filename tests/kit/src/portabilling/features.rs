//! The service features of an account document.
//!
//! They make up most of its bytes. Nearly all of them are inherited from the
//! product, as on a real account: the own value is a marker, the effective one counts.

use serde_json::{Value, json};

/// One feature a line: whether it is on, its name, its attributes. An attribute
/// without `=` has no value.
const INHERITED: &str = "\
off associated_number redirect_number
off auto_attendant
off auto_record auto_record_in=N auto_record_out=N announcement=N
on  call_barring call_barring_rules=premium,international
off call_center
off call_park park_prefix=*70 release_prefix=*71
off call_processing mode=default
on  call_recording
off call_supervision can_spy=N can_whisper=N can_barge_in=N
off call_via_ivr
on  call_wait_limit max_queue=1
off cc_hunting mode=simultaneous
on  cli centrex= display_name account_group attest=A
on  clip
off clir clir_mode=per_call blocked_display=Anonymous
off cnam_lookup
off conferencing max_participants=3
on  default_action timeout=20
off dial_directory abbreviated_length=3
off distinctive_ring
on  emergency location=default
off fax email
off first_login_greeting
off forward_mode mode=follow_me max_forwards=2
off group_pickup prefix=*40
off individual_routing i_routing_plan
on  ip_centrex care_of=N
off limit_bandwidth upload=0 download=0
off music_on_hold i_moh
on  netaccess_sessions max_sessions=1
off netaccess_static_ip address netmask routed_network
off phone_book max_favourites=20
off pick_up
on  present_caller_info source=account
off push_notifications
off rtpp_level level=0
on  session_limit max_sessions=5 codec=
on  sim_calls_limit max_calls=2 max_in=2 max_out=2
off sip_trunking
off special_destinations
on  unified_messaging fax_files_format=pdf vm_time_zone=Europe/Vienna
off voice_authentication pin
on  voice_dialing i_dial_rule=4 translate_cli_in=N translate_cli_out=Y
on  voice_fup limit=3000
on  voice_roaming_protection home_network=00101 visited_allowed=Y
off wifi_speed_limit speed
";

/// The array `service_features`, with the access policy that the product gives.
pub(super) fn all(i_access_policy: u64) -> Value {
    let policy = format!("on netaccess_policy access_policy={i_access_policy}");
    let inherited = INHERITED.lines().filter_map(feature);
    feature(&policy).into_iter().chain(inherited).collect()
}

fn feature(line: &str) -> Option<Value> {
    let mut words = line.split_whitespace();
    let (flag, name) = (words.next()?, words.next()?);
    let attributes: Vec<Value> = words.map(attribute).collect();
    Some(json!({
        "name": name,
        "flag_value": "~",
        "effective_flag_value": if flag == "on" { "Y" } else { "N" },
        "locked": 0,
        "locks": [],
        "attributes": attributes,
    }))
}

fn attribute(word: &str) -> Value {
    let (name, effective) = match word.split_once('=') {
        Some((name, value)) => (name, Some(value)),
        None => (word, None),
    };
    json!({ "name": name, "values": [null], "effective_values": [effective] })
}
