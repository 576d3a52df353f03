//! Patterns that mean the same to RE2, in whose syntax `buf.validate` states them, and to `regex`.

use regex_syntax::ast::{self, Ast, ClassSetItem};

/// `buf.validate` means patterns as RE2 reads them: there `\s`, `\d`, `\w` and `\b` know ASCII
/// only, here all of Unicode. What a pattern means must not depend on who reads it.
pub fn refuse_unlike(pattern: &str) -> Result<(), String> {
    let ast = ast::parse::Parser::new().parse(pattern).map_err(|error| error.to_string())?;
    ast::visit(&ast, Unlike)?;
    regex::Regex::new(pattern).map_err(|error| error.to_string())?;
    Ok(())
}

struct Unlike;

impl ast::Visitor for Unlike {
    type Output = ();
    type Err = String;

    fn finish(self) -> Result<(), String> {
        Ok(())
    }

    fn visit_pre(&mut self, ast: &Ast) -> Result<(), String> {
        let unlike = match ast {
            Ast::ClassPerl(_) => "a class like \\s",
            Ast::Flags(_) => "flags",
            Ast::Group(group) if group.flags().is_some_and(|flags| !flags.items.is_empty()) => {
                "flags"
            }
            Ast::Assertion(assertion) => match assertion.kind {
                ast::AssertionKind::StartLine
                | ast::AssertionKind::EndLine
                | ast::AssertionKind::StartText
                | ast::AssertionKind::EndText => return Ok(()),
                _ => "a word boundary",
            },
            _ => return Ok(()),
        };
        Err(format!("{unlike} means something else in RE2"))
    }

    fn visit_class_set_item_pre(&mut self, item: &ClassSetItem) -> Result<(), String> {
        match item {
            ClassSetItem::Perl(_) => Err("a class like \\s means something else in RE2".to_owned()),
            ClassSetItem::Bracketed(_) => Err("RE2 has no class in a class".to_owned()),
            _ => Ok(()),
        }
    }

    fn visit_class_set_binary_op_pre(&mut self, _: &ast::ClassSetBinaryOp) -> Result<(), String> {
        Err("RE2 has no operators in a class".to_owned())
    }
}
