//! What every contract promises, whoever adds to it.

use prost_reflect::{Kind, MessageDescriptor, MethodDescriptor};
use souk_proto::souk::catalog::v1::{CreateProductRequest, ReserveStockRequest, StockLine};
use souk_proto::souk::policy::v1::policy::Access;
use souk_proto::souk::types::v1::Reason;
use souk_proto::{Validate as _, descriptors, policy_of};

fn methods() -> Vec<MethodDescriptor> {
    let services =
        descriptors().services().filter(|service| service.full_name().starts_with("souk."));
    services.flat_map(|service| service.methods().collect::<Vec<_>>()).collect()
}

fn has_http_rule(method: &MethodDescriptor) -> bool {
    let extension = descriptors().get_extension_by_name("google.api.http");
    let extension = extension.unwrap_or_else(|| panic!("no http rules"));
    method.options().has_extension(&extension)
}

/// Fields of a message, and of the messages in it, that take text, numbers or lists without a rule.
fn fields_without_rules(message: &MessageDescriptor, found: &mut Vec<String>) {
    let rules = descriptors().get_extension_by_name("buf.validate.field");
    let rules = rules.unwrap_or_else(|| panic!("no validation rules"));
    for field in message.fields() {
        match field.kind() {
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
        let access = policy_of(&method).and_then(|policy| policy.access).expect("an access rule");
        let internal = access == Access::Scope("stock:reserve".to_owned());
        // streams get their routes later
        let expected = !internal && !method.is_client_streaming();
        assert_eq!(has_http_rule(&method), expected, "{}", method.full_name());
    }
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
