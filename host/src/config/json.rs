//! What stands in the file, as JSON: for what is not ours to understand.

use toml::Spanned;
use toml::de::DeValue;

/// What TOML has beyond JSON (dates) becomes text.
pub fn json(value: &DeValue<'_>) -> serde_json::Value {
    match value {
        DeValue::String(text) => text.as_ref().into(),
        DeValue::Integer(integer) => i64::from_str_radix(integer.as_str(), integer.radix()).into_json(),
        DeValue::Float(float) => float.as_str().parse::<f64>().into_json(),
        DeValue::Boolean(truth) => (*truth).into(),
        DeValue::Datetime(time) => time.to_string().into(),
        DeValue::Array(items) => items.iter().map(|item| json(item.get_ref())).collect(),
        DeValue::Table(table) => {
            let member = |(name, value): (&Spanned<_>, &Spanned<DeValue<'_>>)| {
                let name: &std::borrow::Cow<'_, str> = name.get_ref();
                (name.to_string(), json(value.get_ref()))
            };
            serde_json::Value::Object(table.iter().map(member).collect())
        }
    }
}

trait IntoJson {
    fn into_json(self) -> serde_json::Value;
}

/// A number that JSON cannot hold is nothing.
impl<T: Into<serde_json::Value>, E> IntoJson for Result<T, E> {
    fn into_json(self) -> serde_json::Value {
        self.map_or(serde_json::Value::Null, Into::into)
    }
}
