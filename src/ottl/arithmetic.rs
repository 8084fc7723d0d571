//! Sums and products of numbers, times and durations. Whole numbers wrap, as in Go.

use super::EvalError;
use super::syntax::Operator;
use super::value::Value;

/// `left operator right`
///
/// # Errors
/// For a division by zero, and for types that have no such operation.
pub(super) fn calculate(left: &Value<'_>, operator: Operator, right: &Value<'_>) -> Result<Value<'static>, EvalError> {
    Ok(match (left, operator, right) {
        (Value::Int(left), _, Value::Int(right)) => Value::Int(of_ints(*left, operator, *right)?),
        (Value::Int(left), _, Value::Double(right)) => Value::Double(of_doubles(*left as f64, operator, *right)?),
        (Value::Double(left), _, Value::Int(right)) => Value::Double(of_doubles(*left, operator, *right as f64)?),
        (Value::Double(left), _, Value::Double(right)) => Value::Double(of_doubles(*left, operator, *right)?),
        (Value::Time(time), Operator::Add, Value::Duration(span))
        | (Value::Duration(span), Operator::Add, Value::Time(time)) => {
            Value::Time(time.saturating_add(i128::from(*span)))
        }
        (Value::Time(time), Operator::Subtract, Value::Duration(span)) => {
            Value::Time(time.saturating_sub(i128::from(*span)))
        }
        (Value::Time(left), Operator::Subtract, Value::Time(right)) => {
            let nanos = left.saturating_sub(*right).clamp(i128::from(i64::MIN), i128::from(i64::MAX));
            Value::Duration(nanos as i64)
        }
        (Value::Duration(left), Operator::Add, Value::Duration(right)) => Value::Duration(left.wrapping_add(*right)),
        (Value::Duration(left), Operator::Subtract, Value::Duration(right)) => {
            Value::Duration(left.wrapping_sub(*right))
        }
        _ => {
            return Err(EvalError::Operands {
                left: left.type_name(),
                operator: operator.symbol(),
                right: right.type_name(),
            });
        }
    })
}

/// `-value`
///
/// # Errors
/// For what is no number.
pub(super) fn negate(value: &Value<'_>) -> Result<Value<'static>, EvalError> {
    match value {
        Value::Int(number) => Ok(Value::Int(number.wrapping_neg())),
        Value::Double(number) => Ok(Value::Double(-number)),
        _ => Err(EvalError::Type { expected: "int or double", found: value.type_name() }),
    }
}

fn of_ints(left: i64, operator: Operator, right: i64) -> Result<i64, EvalError> {
    match operator {
        Operator::Add => Ok(left.wrapping_add(right)),
        Operator::Subtract => Ok(left.wrapping_sub(right)),
        Operator::Multiply => Ok(left.wrapping_mul(right)),
        Operator::Divide if right == 0 => Err(EvalError::DivisionByZero),
        Operator::Divide => Ok(left.wrapping_div(right)),
    }
}

fn of_doubles(left: f64, operator: Operator, right: f64) -> Result<f64, EvalError> {
    match operator {
        Operator::Add => Ok(left + right),
        Operator::Subtract => Ok(left - right),
        Operator::Multiply => Ok(left * right),
        Operator::Divide if right == 0.0 => Err(EvalError::DivisionByZero),
        Operator::Divide => Ok(left / right),
    }
}
