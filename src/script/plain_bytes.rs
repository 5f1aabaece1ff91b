//! A [`PlainValue`] as bytes, for scripts in other processes. Each value is a byte for its kind, and what belongs to it;
//! numbers and lengths are little-endian.

use super::PlainValue;
use super::plain_value::MAX_DEPTH;

const NIL: u8 = 0;
const FALSE: u8 = 1;
const TRUE: u8 = 2;
const NUMBER: u8 = 3;
const STRING: u8 = 4;
const TABLE: u8 = 5;

/// Bytes that are no value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the bytes are no value of a script")]
pub struct NoValue;

impl PlainValue {
    /// The value as bytes.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        self.write(&mut bytes);
        bytes
    }

    fn write(&self, bytes: &mut Vec<u8>) {
        let length = |length: usize| (length as u64).to_le_bytes();
        match self {
            PlainValue::Nil => bytes.push(NIL),
            PlainValue::Boolean(is) => bytes.push(if *is { TRUE } else { FALSE }),
            PlainValue::Number(n) => {
                bytes.push(NUMBER);
                bytes.extend(n.to_le_bytes());
            }
            PlainValue::String(text) => {
                bytes.push(STRING);
                bytes.extend(length(text.len()));
                bytes.extend(text);
            }
            PlainValue::Table(entries) => {
                bytes.push(TABLE);
                bytes.extend(length(entries.len()));
                for (key, value) in entries {
                    key.write(bytes);
                    value.write(bytes);
                }
            }
        }
    }

    /// The value of [`PlainValue::to_bytes`].
    ///
    /// # Errors
    /// If the bytes are not those of a value.
    pub fn from_bytes(mut bytes: &[u8]) -> Result<PlainValue, NoValue> {
        let value = read_value(&mut bytes, 0)?;
        if bytes.is_empty() { Ok(value) } else { Err(NoValue) }
    }
}

fn read_value(rest: &mut &[u8], depth: usize) -> Result<PlainValue, NoValue> {
    let [kind] = take(rest)?;
    Ok(match kind {
        NIL => PlainValue::Nil,
        FALSE => PlainValue::Boolean(false),
        TRUE => PlainValue::Boolean(true),
        NUMBER => PlainValue::Number(f64::from_le_bytes(take(rest)?)),
        STRING => {
            let length = u64::from_le_bytes(take(rest)?);
            let length = usize::try_from(length).map_err(|_| NoValue)?;
            let (text, after) = rest.split_at_checked(length).ok_or(NoValue)?;
            *rest = after;
            PlainValue::String(text.to_vec())
        }
        TABLE if depth < MAX_DEPTH => {
            let count = u64::from_le_bytes(take(rest)?);
            // Not allocated in advance: a wrong count ends where the bytes do.
            let mut entries = Vec::new();
            for _ in 0..count {
                entries.push((read_value(rest, depth + 1)?, read_value(rest, depth + 1)?));
            }
            PlainValue::Table(entries)
        }
        _ => return Err(NoValue),
    })
}

fn take<const N: usize>(rest: &mut &[u8]) -> Result<[u8; N], NoValue> {
    let (taken, after) = rest.split_first_chunk::<N>().ok_or(NoValue)?;
    *rest = after;
    Ok(*taken)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn value() -> impl Strategy<Value = PlainValue> {
        let leaf = prop_oneof![
            Just(PlainValue::Nil),
            any::<bool>().prop_map(PlainValue::Boolean),
            (-1e300..1e300).prop_map(PlainValue::Number),
            Just(PlainValue::Number(f64::INFINITY)),
            prop::collection::vec(any::<u8>(), 0..20).prop_map(PlainValue::String),
        ];
        leaf.prop_recursive(4, 30, 5, |inner| {
            prop::collection::vec((inner.clone(), inner), 0..5).prop_map(PlainValue::Table)
        })
    }

    proptest! {
        #[test]
        fn bytes_give_the_value_back_and_no_part_of_them_does(value in value(), cut in any::<prop::sample::Index>()) {
            let bytes = value.to_bytes();
            prop_assert_eq!(PlainValue::from_bytes(&bytes), Ok(value));
            prop_assert_eq!(PlainValue::from_bytes(&bytes[..cut.index(bytes.len())]), Err(NoValue));
        }

        #[test]
        fn garbage_is_refused_or_some_value(bytes in prop::collection::vec(0..8u8, 0..200)) {
            let _ = PlainValue::from_bytes(&bytes);
        }
    }

    #[test]
    fn tables_nested_too_deep_and_false_lengths_are_refused() {
        let nested = |depth: usize| {
            let table = |inner, _| PlainValue::Table(vec![(PlainValue::Boolean(true), inner)]);
            (0..depth).fold(PlainValue::Nil, table).to_bytes()
        };
        assert!(PlainValue::from_bytes(&nested(MAX_DEPTH)).is_ok());
        assert_eq!(PlainValue::from_bytes(&nested(MAX_DEPTH + 1)), Err(NoValue));
        for kind in [STRING, TABLE] {
            assert_eq!(PlainValue::from_bytes(&[&[kind][..], &[0xff; 8]].concat()), Err(NoValue));
        }
    }
}
