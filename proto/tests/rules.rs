//! The build refuses every rule that the generated validation would not keep.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on has failed")]

#[allow(dead_code, reason = "the build script needs more of it")]
#[path = "../validation_build/mod.rs"]
mod validation_build;

use protox::file::{
    ChainFileResolver, File, FileResolver, GoogleFileResolver, IncludeFileResolver,
};

/// A contract that stands in a test.
struct Source(String);

impl FileResolver for Source {
    fn open_file(&self, name: &str) -> Result<File, protox::Error> {
        match name {
            "test.proto" => File::from_source(name, &self.0),
            _ => Err(protox::Error::file_not_found(name)),
        }
    }
}

fn generate(source: String) -> Result<String, String> {
    let mut files = ChainFileResolver::new();
    files.add(Source(source));
    files.add(IncludeFileResolver::new(env!("CARGO_MANIFEST_DIR").into()));
    files.add(GoogleFileResolver::new());
    let mut compiler = protox::Compiler::with_file_resolver(files);
    compiler.include_imports(true);
    compiler.open_file("test.proto").unwrap();
    // encoded and decoded, as the build does: only so are the options of extensions known
    let pool = compiler.encode_file_descriptor_set();
    validation_build::generate(&prost_reflect::DescriptorPool::decode(pool.as_slice()).unwrap())
}

fn contract(body: &str) -> Result<String, String> {
    generate(format!(
        r#"
        syntax = "proto3";
        package souk.test.v1;
        import "buf/validate/validate.proto";
        import "google/protobuf/any.proto";
        import "google/protobuf/duration.proto";
        import "google/protobuf/field_mask.proto";
        import "google/protobuf/timestamp.proto";
        import "google/protobuf/wrappers.proto";
        import "souk/types/v1/rules.proto";
        {body}
        "#
    ))
}

/// A message with one field.
fn field(field: &str) -> Result<String, String> {
    contract(&format!("message Thing {{ {field} }}"))
}

/// A predefined rule with these options, on a rules message.
fn predefined(message: &str, options: &str) -> Result<String, String> {
    generate(format!(
        r#"
        syntax = "proto2";
        package souk.test.v1;
        import "buf/validate/validate.proto";
        extend buf.validate.{message} {{ optional bool mine = 60000 [{options}]; }}
        "#
    ))
}

#[track_caller]
fn refused(result: Result<String, String>, element: &str, rule: &str) {
    let reason = result.expect_err("the build must refuse this");
    assert!(reason.starts_with(&format!("{element}: ")), "{reason}");
    assert!(reason.contains(rule), "{reason}");
}

#[test]
fn a_rule_of_a_message_is_refused() {
    for (rule, name) in [
        (r#"cel = {id: "x", message: "x", expression: "this.a == this.b"}"#, "`cel`"),
        (r#"cel_expression = "this.a == this.b""#, "`cel_expression`"),
        (r#"oneof = {fields: ["a", "b"]}"#, "`oneof`"),
    ] {
        let body = format!(
            "message Thing {{ option (buf.validate.message).{rule}; string a = 1; string b = 2; }}"
        );
        refused(contract(&body), "souk.test.v1.Thing", name);
    }
}

#[test]
fn a_rule_of_a_oneof_is_kept_when_it_is_known() {
    let required = "message Thing { oneof choice { option (buf.validate.oneof).required = true; \
                    string a = 1; } }";
    let code = contract(required).unwrap();
    assert!(code.contains(r#"required("choice", this.choice.is_some())"#), "{code}");
}

#[test]
fn a_rule_of_a_field_that_is_not_known_is_refused() {
    for (rule, name) in [
        (r#"cel = {id: "x", message: "x", expression: "this != ''"}"#, "`cel`"),
        (r#"cel_expression = "this != ''""#, "`cel_expression`"),
        ("ignore = IGNORE_ALWAYS", "`ignore`"),
        ("ignore = IGNORE_IF_ZERO_VALUE", "`ignore`"),
        ("required = true", "`required`"),
        (r#"string.const = "x""#, "`const`"),
        ("string.len = 3", "`len`"),
        ("string.min_bytes = 3", "`min_bytes`"),
        ("string.max_bytes = 3", "`max_bytes`"),
        (r#"string.prefix = "x""#, "`prefix`"),
        (r#"string.contains = "x""#, "`contains`"),
        (r#"string.not_in = "x""#, "`not_in`"),
        ("string.uuid = true", "`uuid`"),
        ("string.uri = true", "`uri`"),
        ("string.well_known_regex = KNOWN_REGEX_HTTP_HEADER_NAME", "`well_known_regex`"),
        ("string.strict = false", "`strict`"),
    ] {
        let result = field(&format!("string a = 1 [(buf.validate.field).{rule}];"));
        refused(result, "souk.test.v1.Thing.a", name);
    }
}

#[test]
fn a_kind_of_rules_that_is_not_known_is_refused() {
    for (kind, rule, name) in [
        ("int32", "int32.gt = 1", "`gt`"),
        ("int32", "int32.lt = 1", "`lt`"),
        ("int32", "int32.const = 1", "`const`"),
        ("int64", "int64.gt = 1", "`gt`"),
        ("uint32", "uint32.gte = 1", "`uint32`"),
        ("double", "double.gte = 1", "`double`"),
        ("bytes", "bytes.max_len = 1", "`bytes`"),
        ("Colour", "enum.in = 1", "`in`"),
        ("google.protobuf.Any", r#"any.in = "x""#, "`any`"),
        ("google.protobuf.Timestamp", "timestamp.lt_now = true", "`timestamp`"),
        ("google.protobuf.Duration", "duration.gt = {seconds: 1}", "`gt`"),
        ("google.protobuf.Duration", "duration.gte = {nanos: 1}", "`gte`"),
        ("google.protobuf.FieldMask", r#"field_mask.not_in = "x""#, "`not_in`"),
        ("google.protobuf.Int32Value", "int32.gte = 1", "`int32`"),
        // of another type than the field
        ("string", "int32.gte = 1", "`int32`"),
        ("int32", "string.min_len = 1", "`string`"),
        ("string", "repeated.min_items = 1", "`repeated`"),
    ] {
        let result = contract(&format!(
            "enum Colour {{ COLOUR_UNSPECIFIED = 0; }}
             message Thing {{ {kind} a = 1 [(buf.validate.field).{rule}]; }}"
        ));
        refused(result, "souk.test.v1.Thing.a", name);
    }
}

#[test]
fn a_range_that_is_the_wrong_way_round_is_refused() {
    for kind in ["int32", "int64"] {
        let outside = format!("{kind} a = 1 [(buf.validate.field).{kind} = {{gte: 5 lte: 1}}];");
        refused(field(&outside), "souk.test.v1.Thing.a", "wrong way round");
    }
    let outside = "google.protobuf.Duration a = 1 [(buf.validate.field).duration = {
                   gte: {seconds: 5} lte: {seconds: 1}}];";
    refused(field(outside), "souk.test.v1.Thing.a", "wrong way round");
}

#[test]
fn a_rule_of_a_list_or_of_its_items_that_is_not_known_is_refused() {
    for (kind, rule, name) in [
        ("string", "repeated.items.cel_expression = \"true\"", "`cel_expression`"),
        ("string", "repeated.items.required = true", "`required`"),
        ("string", "repeated.items.ignore = IGNORE_ALWAYS", "`ignore`"),
        ("string", "repeated.items.string.suffix = \"x\"", "`suffix`"),
        ("string", "repeated.items.int32.gte = 1", "`int32`"),
        ("int32", "repeated.unique = true", "`unique`"),
        ("string", "string.min_len = 1", "`string`"),
    ] {
        let result = field(&format!("repeated {kind} a = 1 [(buf.validate.field).{rule}];"));
        refused(result, "souk.test.v1.Thing.a", name);
    }
}

#[test]
fn maps_are_known_from_text_to_text() {
    let rules = "max_pairs: 2 keys: {string: {min_len: 1}} values: {string: {max_len: 9}}";
    let map = |kind: &str, rules: &str| {
        field(&format!("map<string, {kind}> a = 1 [(buf.validate.field).map = {{{rules}}}];"))
    };
    let code = map("string", rules).unwrap();
    for check in ["max_items(\"a\", this.a.len(), 2)", "min_len(value, 1)", "max_len(value, 9)"] {
        assert!(code.contains(check), "{code}");
    }
    assert!(field("map<string, string> a = 1;").unwrap().contains("no_nul(value)"));
    for field in [field("map<string, int32> a = 1;"), field("map<int32, string> a = 1;")] {
        refused(field, "souk.test.v1.Thing.a", "map");
    }
    for (rules, name) in [
        ("keys: {string: {pattern: \"^a$\"}}", "`pattern`"),
        ("values: {int32: {gte: 1}}", "`int32`"),
        ("values: {required: true}", "`required`"),
    ] {
        refused(map("string", rules), "souk.test.v1.Thing.a", name);
    }
}

#[test]
fn a_required_member_of_a_oneof_is_refused() {
    let member = "oneof choice { string a = 1 [(buf.validate.field).required = true]; }";
    refused(field(member), "souk.test.v1.Thing.a", "`required`");
}

#[test]
fn a_pattern_without_words_is_refused() {
    let pattern = r#"string a = 1 [(buf.validate.field).string.pattern = "^a$"];"#;
    refused(field(pattern), "souk.test.v1.Thing.a", "`pattern`");
}

#[test]
fn a_rule_of_an_extension_of_ours_or_of_a_message_of_others_is_refused() {
    let extension = r#"
        import "google/protobuf/descriptor.proto";
        extend google.protobuf.FieldOptions {
            optional string mine = 60000 [(buf.validate.field).string.min_len = 1];
        }"#;
    refused(contract(extension), "souk.test.v1.mine", "`string`");
    for (body, element, rule) in [
        ("string a = 1 [(buf.validate.field).string.min_len = 1];", "other.v1.Thing.a", "`string`"),
        (
            "option (buf.validate.message).cel_expression = 'true';",
            "other.v1.Thing",
            "`cel_expression`",
        ),
        (
            "oneof a { option (buf.validate.oneof).required = true; string b = 1; }",
            "other.v1.Thing.a",
            "`required`",
        ),
    ] {
        let other = format!(
            r#"syntax = "proto3"; package other.v1; import "buf/validate/validate.proto";
               message Thing {{ {body} }}"#
        );
        refused(generate(other), element, rule);
    }
}

#[test]
fn a_predefined_rule_is_a_pattern_with_words_or_is_refused() {
    let cel = |words: &str, expression: &str| {
        format!(
            r#"(buf.validate.predefined).cel = {{
                id: "x" message: "{words}" expression: "{expression}"
            }}"#
        )
    };
    let good = cel("must be an a", "!rule || this.matches(r'^a$')");
    assert!(predefined("StringRules", &good).is_ok());

    let name = "souk.test.v1.mine";
    refused(predefined("StringRules", "deprecated = true"), name, "one `cel`");
    refused(predefined("StringRules", &format!("{good}, {good}")), name, "one `cel`");
    refused(predefined("Int32Rules", &good), name, "strings only");
    refused(predefined("StringRules", &cel("", "!rule || this.matches(r'^a$')")), name, "message");
    for expression in ["this == 'a'", "this.matches(r'^a$')", "!rule || this.matches(r'a') || r''"]
    {
        refused(predefined("StringRules", &cel("x", expression)), name, "CEL");
    }
    for pattern in [r"\\s", r"[^\\d]", r"\\bx", "(?i)x", "(?i:x)", "[a&&b]", "[a[b]]"] {
        let options = cel("x", &format!("!rule || this.matches(r'{pattern}')"));
        refused(predefined("StringRules", &options), name, "RE2");
    }
    let broken = cel("x", "!rule || this.matches(r'(')");
    refused(predefined("StringRules", &broken), name, "unclosed");
}

#[test]
fn a_rule_that_is_switched_off_checks_nothing() {
    let off = field("string a = 1 [(buf.validate.field).string.(souk.types.v1.slug) = false];");
    let code = off.unwrap();
    assert!(!code.contains("matches(value"), "{code}");
}
