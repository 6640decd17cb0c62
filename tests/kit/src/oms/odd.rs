//! Answers to an order that are not what one would expect, and all of them seen.

use axum::Json;
use axum::http::StatusCode;
use axum::http::header::LOCATION;
use axum::response::{Html, IntoResponse as _, Response};
use serde_json::json;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Odd {
    /// 201 and nothing else; the order is made.
    Empty,
    /// 201 and where the order is, but no order.
    Located,
    /// 202, as if nothing were known of it yet; the order is made.
    Taken,
    /// 200, and an error in it; no order is made.
    ErrorInSuccess,
    /// 409, for the order was made, as if an earlier request had come through after all.
    Duplicate,
    /// 500 after the order was made.
    BrokenLate,
    /// 500 before that.
    BrokenEarly,
    /// 502 and a page of a proxy; no order is made.
    Page,
}

impl Odd {
    pub(super) fn makes_the_order(self) -> bool {
        matches!(self, Self::Empty | Self::Located | Self::Taken | Self::Duplicate | Self::BrokenLate)
    }

    pub(super) fn answer(self, place: String) -> Response {
        let error = |code: &str, reason: &str| Json(json!({ "code": code, "reason": reason }));
        match self {
            Self::Empty => StatusCode::CREATED.into_response(),
            Self::Located => (StatusCode::CREATED, [(LOCATION, place)]).into_response(),
            Self::Taken => StatusCode::ACCEPTED.into_response(),
            Self::ErrorInSuccess => error("61", "the profile is not known").into_response(),
            Self::Duplicate => {
                (StatusCode::CONFLICT, error("409", "the externalId is taken")).into_response()
            }
            Self::BrokenLate | Self::BrokenEarly => {
                (StatusCode::INTERNAL_SERVER_ERROR, error("500", "it broke")).into_response()
            }
            Self::Page => {
                (StatusCode::BAD_GATEWAY, Html("<html><h1>502 Bad Gateway</h1></html>")).into_response()
            }
        }
    }
}
