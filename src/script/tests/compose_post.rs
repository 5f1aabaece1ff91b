use super::*;

#[test]
fn compose_post_makes_the_form_of_the_social_network() {
    let target = Target::parse("http://127.0.0.1:8080/wrk2-api/post/compose").unwrap();
    let environment = Environment { target: &target, headers: &[], args: &[], method: None, body: None, seed: 1 };
    let vm = initialized(Vm::load(Script::built_in("compose-post").as_ref(), &environment).unwrap()).unwrap();
    for _ in 0..200 {
        let text = request(&vm).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        assert!(head.starts_with("POST http://127.0.0.1:8080/wrk2-api/post/compose HTTP/1.1\r\n"), "{head}");
        assert!(head.contains("Content-Type: application/x-www-form-urlencoded"));
        let names: Vec<&str> = body.split('&').map(|field| field.split_once('=').unwrap().0).collect();
        assert_eq!(names, ["username", "user_id", "text", "media_ids", "media_types", "post_type"]);
        assert!(body.contains("%40username_") && body.contains("+http%3A%2F%2F"));
    }
}

#[test]
fn compose_post_has_the_headers_of_the_command_line() {
    let target = Target::parse("http://127.0.0.1:8080/").unwrap();
    let headers = [("X-Run", "7"), ("content-type", "text/plain"), ("host", "front")];
    let headers = headers.map(|(name, value)| (name.to_owned(), value.into()));
    let environment = Environment { target: &target, headers: &headers, args: &[], method: None, body: None, seed: 1 };
    let vm = initialized(Vm::load(Script::built_in("compose-post").as_ref(), &environment).unwrap()).unwrap();
    let text = request(&vm).unwrap();
    for line in ["X-Run: 7", "content-type: text/plain", "Host: front"] {
        assert_eq!(text.lines().filter(|given| *given == line).count(), 1, "{text}");
    }
    assert!(!text.contains("Content-Type"), "{text}");
}

#[test]
fn compose_post_repeats_with_the_seed() {
    let target = Target::parse("http://127.0.0.1:8080/").unwrap();
    let first = |seed| {
        let environment = Environment { target: &target, headers: &[], args: &[], method: None, body: None, seed };
        request(&initialized(Vm::load(Script::built_in("compose-post").as_ref(), &environment).unwrap()).unwrap())
            .unwrap()
    };
    assert_eq!(first(1), first(1));
    assert_ne!(first(1), first(2));
}
