use proptest::prelude::*;

use super::setup::MockThread;
use super::*;

fn refused(text: &str) -> String {
    let setup = format!("function setup(thread) {text} end");
    main(&setup).unwrap().setup(Box::new(MockThread::default())).unwrap_err().to_string()
}

#[test]
fn a_value_that_cannot_be_copied_is_named_with_its_path() {
    let rule = "Only nil, booleans, numbers, strings and tables of these can be copied between states (in setup)";
    for (text, what) in [
        ("thread:set('f', print)", "`f` is a function"),
        ("thread:set('t', { a = { 1, { b = thread } } })", "`t.a[2].b` is a userdata"),
        ("thread:set('t', { [print] = 1 })", "`t[a function]` is a function"),
        ("local t = {}; t.own = { t }; thread:set('t', t)", "`t.own[1]` is a table that contains itself"),
        ("local t = {}; for _ = 1, 300 do t = { t } end; thread:set('t', t)", ""),
    ] {
        let error = refused(text);
        assert!(error.starts_with(&format!("test.lua:1: {what}")) && error.ends_with(rule), "{error}");
    }
    let vm = vm("x = { coroutine.create(print) }").unwrap();
    assert!(vm.get("x").unwrap_err().to_string().starts_with("`x[1]` is a thread. "));
}

#[test]
fn a_table_with_two_references_is_copied_twice() {
    let vm = vm("local t = { 1 }; both = { t, t }").unwrap();
    let one = PlainValue::Table(vec![(PlainValue::Number(1.0), PlainValue::Number(1.0))]);
    let both = vec![(PlainValue::Number(1.0), one.clone()), (PlainValue::Number(2.0), one)];
    assert_eq!(vm.get("both").unwrap(), PlainValue::Table(both));
}

fn values() -> impl Strategy<Value = PlainValue> {
    let plain = prop_oneof![
        any::<bool>().prop_map(PlainValue::Boolean),
        (-1e300..1e300).prop_map(PlainValue::Number),
        any::<i32>().prop_map(|n| PlainValue::Number(f64::from(n))),
        proptest::collection::vec(any::<u8>(), 0..20).prop_map(PlainValue::String),
    ];
    plain.clone().prop_recursive(3, 30, 5, move |inner| {
        proptest::collection::vec((plain.clone(), inner), 0..5).prop_map(PlainValue::Table)
    })
}

/// Tables have no order, and the last value of a key counts.
fn sorted(value: &PlainValue) -> String {
    match value {
        PlainValue::Table(entries) => {
            let entries = entries.iter().map(|(key, value)| (sorted(key), sorted(value)));
            format!("{:?}", entries.collect::<std::collections::BTreeMap<_, _>>())
        }
        // -0 and 0 are the same key.
        PlainValue::Number(n) => format!("{:?}", n + 0.0),
        plain => format!("{plain:?}"),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn a_value_survives_a_copy_into_a_state_and_back(value in values()) {
        let vm = vm("").unwrap();
        vm.set("value", &value).unwrap();
        prop_assert_eq!(sorted(&vm.get("value").unwrap()), sorted(&value));
        vm.set("value", &PlainValue::Nil).unwrap();
        prop_assert_eq!(vm.get("value").unwrap(), PlainValue::Nil);
    }
}
