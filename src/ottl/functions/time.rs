//! Times and durations. All dates are in UTC.

use super::super::EvalError;
use super::super::convert;
use super::super::evaluate::Scene;
use super::super::program::Call;
use super::super::value::Value;
use super::civil::{SECOND, civil, parse_duration, truncate};
use super::parameter::Takes;
use super::{Function, Outcome, Parameter};

const TIME: &[Parameter] = &[Parameter::new("time", Takes::Time)];
const DURATION: &[Parameter] = &[Parameter::new("duration", Takes::Duration)];

pub(super) const FUNCTIONS: &[Function] = &[
    Function::new("Now", &[], |scene, _| Ok(Value::Time(scene.now.0.into()))),
    Function::new(
        "Unix",
        &[Parameter::new("seconds", Takes::Int), Parameter::optional("nanoseconds", Takes::Int)],
        |scene, call| {
            let seconds = scene.int(call, 0)?;
            let nanos = if call.arguments[1].is_some() { scene.int(call, 1)? } else { 0 };
            Ok(Value::Time(i128::from(seconds) * SECOND + i128::from(nanos)))
        },
    ),
    Function::new("UnixNano", TIME, |scene, call| since_1970(scene, call, 1)),
    Function::new("UnixMicro", TIME, |scene, call| since_1970(scene, call, 1_000)),
    Function::new("UnixMilli", TIME, |scene, call| since_1970(scene, call, 1_000_000)),
    Function::new("UnixSeconds", TIME, |scene, call| since_1970(scene, call, SECOND)),
    Function::new("Year", TIME, |scene, call| Ok(Value::Int(civil(time(scene, call)?).year))),
    Function::new("Month", TIME, |scene, call| Ok(Value::Int(civil(time(scene, call)?).month))),
    Function::new("Day", TIME, |scene, call| Ok(Value::Int(civil(time(scene, call)?).day))),
    Function::new("Weekday", TIME, |scene, call| Ok(Value::Int(civil(time(scene, call)?).weekday))),
    Function::new("Hour", TIME, |scene, call| Ok(Value::Int(civil(time(scene, call)?).hour))),
    Function::new("Minute", TIME, |scene, call| Ok(Value::Int(civil(time(scene, call)?).minute))),
    Function::new("Second", TIME, |scene, call| Ok(Value::Int(civil(time(scene, call)?).second))),
    Function::new("Nanosecond", TIME, |scene, call| Ok(Value::Int(civil(time(scene, call)?).nanosecond))),
    Function::new(
        "TruncateTime",
        &[Parameter::new("time", Takes::Time), Parameter::new("duration", Takes::Duration)],
        |scene, call| Ok(Value::Time(truncate(time(scene, call)?, convert::duration(&scene.argument(call, 1)?)?))),
    ),
    Function::new("Duration", &[Parameter::new("duration", Takes::Text)], |scene, call| {
        let text = scene.text(call, 0)?;
        match str::from_utf8(&text).ok().and_then(parse_duration) {
            Some(nanos) => Ok(Value::Duration(nanos)),
            None => call.function.refuses("the text is no duration; write 1h30m, 1.5s or 100ms"),
        }
    }),
    Function::new("Hours", DURATION, |scene, call| parts(scene, call, 3_600_000_000_000)),
    Function::new("Minutes", DURATION, |scene, call| parts(scene, call, 60_000_000_000)),
    Function::new("Seconds", DURATION, |scene, call| parts(scene, call, 1_000_000_000)),
    Function::new("Milliseconds", DURATION, |scene, call| Ok(Value::Int(duration(scene, call)? / 1_000_000))),
    Function::new("Microseconds", DURATION, |scene, call| Ok(Value::Int(duration(scene, call)? / 1_000))),
    Function::new("Nanoseconds", DURATION, |scene, call| Ok(Value::Int(duration(scene, call)?))),
];

fn time<'a>(scene: &Scene<'a>, call: &'a Call) -> Result<i128, EvalError> {
    convert::time(&scene.argument(call, 0)?)
}

fn duration<'a>(scene: &Scene<'a>, call: &'a Call) -> Result<i64, EvalError> {
    convert::duration(&scene.argument(call, 0)?)
}

fn since_1970<'a>(scene: &Scene<'a>, call: &'a Call, unit: i128) -> Outcome<'a> {
    Ok(Value::Int(time(scene, call)?.div_euclid(unit) as i64))
}

/// A duration in a unit, with its fraction.
fn parts<'a>(scene: &Scene<'a>, call: &'a Call, unit: i64) -> Outcome<'a> {
    let nanos = duration(scene, call)?;
    Ok(Value::Double((nanos / unit) as f64 + (nanos % unit) as f64 / unit as f64))
}
