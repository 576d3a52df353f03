//! What every contract promises, whoever adds to it.

use prost_reflect::{DynamicMessage, Kind, MessageDescriptor, MethodDescriptor};
use souk_proto::souk::auth::v1::CreateTokenRequest;
use souk_proto::souk::catalog::v1::{
    CreateProductRequest, GetProductRequest, ReserveStockRequest, StockLine,
};
use souk_proto::souk::policy::v1::policy::Access;
use souk_proto::souk::policy::v1::{Idempotency, Policy};
use souk_proto::souk::types::v1::Reason;
use souk_proto::{Validate as _, descriptors, policy_of};

fn methods() -> Vec<MethodDescriptor> {
    let services =
        descriptors().services().filter(|service| service.full_name().starts_with("souk."));
    services.flat_map(|service| service.methods().collect::<Vec<_>>()).collect()
}

fn policy(method: &MethodDescriptor) -> Policy {
    policy_of(method).unwrap_or_else(|| panic!("{} has no policy", method.full_name()))
}

/// The `google.api.HttpRule` of an RPC.
fn http_rule(method: &MethodDescriptor) -> Option<DynamicMessage> {
    let extension = descriptors().get_extension_by_name("google.api.http");
    let extension = extension.unwrap_or_else(|| panic!("no http rules"));
    let options = method.options();
    let rule = options.has_extension(&extension).then(|| options.get_extension(&extension));
    rule.and_then(|rule| rule.as_message().cloned())
}

/// Fields of a message, and of the messages in it, that take text, numbers or lists without a rule.
fn fields_without_rules(message: &MessageDescriptor, found: &mut Vec<String>) {
    let rules = descriptors().get_extension_by_name("buf.validate.field");
    let rules = rules.unwrap_or_else(|| panic!("no validation rules"));
    for field in message.fields() {
        match field.kind() {
            // the rules of a map stand at it
            Kind::Message(_) if field.is_map() => {
                let is_ruled = field.options().has_extension(&rules);
                found.extend((!is_ruled).then(|| field.full_name().to_owned()));
            }
            Kind::Message(inner) if inner.package_name().starts_with("souk.") => {
                fields_without_rules(&inner, found);
            }
            // checked where they become domain types
            Kind::Message(_) | Kind::Bool => {}
            _ if field.options().has_extension(&rules) => {}
            _ => found.push(field.full_name().to_owned()),
        }
    }
}

#[test]
fn every_field_that_a_caller_fills_has_a_rule() {
    let mut found = Vec::new();
    for method in methods() {
        fields_without_rules(&method.input(), &mut found);
    }
    assert!(found.is_empty(), "no rule for {found:?}");
}

#[test]
fn what_outsiders_may_call_has_a_route_and_what_services_call_has_none() {
    for method in methods() {
        let internal = policy(&method).access == Some(Access::Scope("stock:reserve".to_owned()));
        assert_eq!(http_rule(&method).is_some(), !internal, "{}", method.full_name());
    }
}

#[test]
fn every_policy_keeps_its_own_rules() {
    for method in methods() {
        let checked = policy(&method).validate();
        assert_eq!(checked, Ok(()), "{}", method.full_name());
    }
    let nobody = Policy::default().validate().unwrap_err();
    assert_eq!(nobody[0].field, "access");
}

#[test]
fn a_key_is_taken_where_somebody_asks_for_a_change_once() {
    for method in methods() {
        let policy = policy(&method);
        if policy.idempotency() == Idempotency::Unspecified {
            continue;
        }
        let name = method.full_name();
        // a key belongs to who sends it, and its answer to one message
        assert_ne!(policy.access, Some(Access::Public(true)), "{name}");
        assert!(!method.is_client_streaming() && !method.is_server_streaming(), "{name}");
        let reads = http_rule(&method).is_some_and(|rule| rule.has_field_by_name("get"));
        assert!(!reads, "{name} changes nothing");
    }
}

#[test]
fn what_has_a_version_is_changed_under_the_condition_of_one() {
    for method in methods() {
        let (policy, name) = (policy(&method), method.full_name().to_owned());
        let rule = http_rule(&method);
        let is = |verb| rule.as_ref().is_some_and(|rule| rule.has_field_by_name(verb));
        if !policy.version_field.is_empty() && (is("put") || is("patch")) {
            assert!(policy.conditional, "{name}");
        }
        if policy.conditional {
            assert!(
                is("put") || is("patch") || is("delete"),
                "{name} changes nothing that was read"
            );
        }
    }
}

#[test]
fn the_location_of_a_success_is_made_of_what_is_answered() {
    for method in methods() {
        let location = policy(&method).location;
        for part in location.split('/').filter_map(|part| part.strip_prefix('{')) {
            let field = part.trim_end_matches('}');
            let found = method.output().get_field_by_name(field);
            assert!(found.is_some(), "{}: {location}", method.full_name());
        }
    }
}

#[test]
fn the_details_of_errors_can_be_read_by_reflection() {
    let details = ["Status", "ErrorInfo", "BadRequest", "ResourceInfo", "RetryInfo"];
    for name in details.into_iter().chain(["PreconditionFailure"]) {
        let message = descriptors().get_message_by_name(&format!("google.rpc.{name}"));
        assert!(message.is_some(), "{name}");
    }
    assert!(descriptors().services().all(|service| service.full_name().starts_with("souk.")));
}

#[test]
fn every_reason_reads_back_from_its_code_and_has_a_status() {
    for number in 1.. {
        let Ok(reason) = Reason::try_from(number) else { break };
        assert_eq!(Reason::from_code(reason.code()), Some(reason));
        assert!((400..600).contains(&reason.http_status()), "{reason:?}");
    }
}

#[test]
fn a_violation_has_the_path_of_its_field() {
    let product = CreateProductRequest { sku: "two words".to_owned(), ..Default::default() };
    let violations = product.validate().unwrap_err();
    let fields: Vec<&str> = violations.iter().map(|violation| violation.field.as_str()).collect();
    assert_eq!(fields, ["sku", "name", "price"]);

    let line = StockLine { product_id: String::new(), quantity: 0 };
    let lines = vec![line.clone(), line];
    let reserve = ReserveStockRequest { lines, ..Default::default() };
    let violations = reserve.validate().unwrap_err();
    let fields: Vec<&str> = violations.iter().map(|violation| violation.field.as_str()).collect();
    assert!(fields.contains(&"lines[1].quantity"), "{fields:?}");
}

#[test]
fn a_violation_says_in_words_what_is_wrong() {
    let get = GetProductRequest { id: "abc".to_owned() };
    let violations = get.validate().unwrap_err();
    let issue = "must be the id of a product: prod_ and 26 letters and digits";
    assert_eq!(violations[0].issue, issue);

    let product = CreateProductRequest {
        // not ASCII, but white space all the same
        sku: "two\u{a0}words".to_owned(),
        name: "\u{3000}\u{85}".to_owned(),
        ..Default::default()
    };
    let violations = product.validate().unwrap_err();
    let issues: Vec<&str> = violations.iter().map(|violation| violation.issue.as_str()).collect();
    let expected = ["must not contain white space", "must not be only white space", "is required"];
    assert_eq!(issues, expected);

    let token = CreateTokenRequest { grant_type: "magic".to_owned(), ..Default::default() };
    let violations = token.validate().unwrap_err();
    let expected = "must be one of password, refresh_token, client_credentials";
    assert_eq!(violations[0].issue, expected);
}
