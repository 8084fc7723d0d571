//! Cutting JSON text into its values without reading them: for collections that are converted
//! piece by piece, and for telling formats apart.

use super::JsonError;
use super::lexer::Lexer;

/// A value's text, and the text behind it.
pub type Cut<'a> = (&'a [u8], &'a [u8]);

/// The elements of an array, each as its text.
///
/// # Errors
/// When the text is not one array.
pub fn elements(text: &[u8]) -> Result<Vec<&[u8]>, JsonError> {
    let mut lexer = Lexer::new(text);
    let mut found = Vec::new();
    lexer.expect(b'[', "an array")?;
    if !lexer.take(b']') {
        loop {
            found.push(value(&mut lexer, text)?);
            if !lexer.more(b']')? {
                break;
            }
        }
    }
    if lexer.is_at_end() { Ok(found) } else { Err(lexer.error("text after the array")) }
}

/// The value of the last member of this name in an object, as its text; `None` without one.
///
/// # Errors
/// When the text is not one object.
pub fn member<'a>(text: &'a [u8], name: &str) -> Result<Option<&'a [u8]>, JsonError> {
    let mut lexer = Lexer::new(text);
    let mut found = None;
    lexer.expect(b'{', "an object")?;
    if !lexer.take(b'}') {
        loop {
            let key = lexer.string()?;
            lexer.expect(b':', "a colon")?;
            let value = value(&mut lexer, text)?;
            if *key == *name.as_bytes() {
                found = Some(value);
            }
            if !lexer.more(b'}')? {
                break;
            }
        }
    }
    if lexer.is_at_end() { Ok(found) } else { Err(lexer.error("text after the object")) }
}

/// The first value of the text, and what follows it; `None` when there is only white space.
///
/// # Errors
/// When the text does not begin with a value.
pub fn first(text: &[u8]) -> Result<Option<Cut<'_>>, JsonError> {
    let mut lexer = Lexer::new(text);
    if lexer.is_at_end() {
        return Ok(None);
    }
    let value = value(&mut lexer, text)?;
    Ok(Some((value, &text[lexer.position()..])))
}

/// Asks `known` of the keys of the first object, which may stand in arrays, until it answers.
/// The text may be cut off or broken behind that key.
pub fn probe<T>(text: &[u8], mut known: impl FnMut(&[u8]) -> Option<T>) -> Option<T> {
    let mut lexer = Lexer::new(text);
    while lexer.take(b'[') {}
    lexer.take(b'{').then_some(())?;
    loop {
        let key = lexer.string().ok()?;
        if let Some(answer) = known(&key) {
            return Some(answer);
        }
        lexer.expect(b':', "a colon").ok()?;
        lexer.skip().ok()?;
        if !lexer.more(b'}').ok()? {
            return None;
        }
    }
}

fn value<'a>(lexer: &mut Lexer<'a>, text: &'a [u8]) -> Result<&'a [u8], JsonError> {
    lexer.peek();
    let start = lexer.position();
    lexer.skip()?;
    Ok(&text[start..lexer.position()])
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn texts(found: Vec<&[u8]>) -> Vec<&str> {
        found.into_iter().map(|text| std::str::from_utf8(text).unwrap()).collect()
    }

    #[test]
    fn an_array_is_cut_into_the_texts_of_its_elements() {
        assert_eq!(texts(elements(br#" [ {"a": [1, 2]} , "x]", 3 ] "#).unwrap()), [r#"{"a": [1, 2]}"#, r#""x]""#, "3"]);
        assert!(elements(b"[]").unwrap().is_empty());
        for bad in ["", "{}", "[1", "[1,]", "[1] 2"] {
            assert!(elements(bad.as_bytes()).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_member_is_found_by_its_name() {
        let text = br#"{"a": 1, "data": [7], "b": {"data": 0}}"#;
        assert_eq!(member(text, "data").unwrap(), Some(&b"[7]"[..]));
        assert_eq!(member(text, "c").unwrap(), None);
        assert!(member(b"[1]", "a").is_err() && member(b"{\"a\" 1}", "a").is_err());
    }

    #[test]
    fn values_follow_each_other() {
        let (value, rest) = first(b" {\"a\":1}\n{\"b\":2}").unwrap().unwrap();
        assert_eq!((value, rest), (&b"{\"a\":1}"[..], &b"\n{\"b\":2}"[..]));
        assert_eq!(first(b" \n").unwrap(), None);
        assert!(first(b"}").is_err());
    }

    #[test]
    fn a_key_is_known_before_the_text_is_read() {
        let known = |key: &[u8]| (key == b"spans").then_some(key.len());
        assert_eq!(probe(br#"[[{"id": {"spans": 1}, "spans": [{"#, known), Some(5));
        assert_eq!(probe(br#"{"id": 1}"#, known), None);
        assert_eq!(probe(b"[]", known), None);
    }

    proptest! {
        #[test]
        fn elements_are_what_serde_reads(values in proptest::collection::vec("[a-z\\[\\]{},:0-9]{0,6}", 0..6)) {
            let text = serde_json::to_vec(&values).unwrap();
            let read: Vec<String> =
                elements(&text).unwrap().into_iter().map(|text| serde_json::from_slice(text).unwrap()).collect();
            prop_assert_eq!(read, values);
        }

        #[test]
        fn any_text_is_answered(text in proptest::collection::vec(any::<u8>(), 0..40)) {
            let _ = (elements(&text).is_ok(), member(&text, "a").is_ok(), first(&text).is_ok());
            probe(&text, |_| None::<()>);
        }
    }
}
