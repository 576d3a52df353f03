//! `?fields=id,price.value`: only some fields of a message. Others are passed over while the JSON is
//! written.

use souk_kit::failure::shortened;

use super::error::{Fault, InputError, WireError};
use super::index::Place;
use super::path::Step;
use super::plan::{Cardinality, FieldPlan, MessageId, Plans};
use super::wire_to_json::{Encoder, is_left_out};

/// The longest text that names fields, in bytes.
const MAX_NAMES: usize = 4096;

/// Which fields of a message are written. It is for the plans that have made it, and for no others.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Selection {
    message: MessageId,
    /// What is written of the message, and after that of messages inside it.
    nodes: Vec<Node>,
}

/// What is written of one message: its fields by their index, sorted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Node {
    fields: Vec<(usize, Part)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Part {
    Whole,
    /// Of a message, and of each in a list, what the node with this index says.
    Node(usize),
}

impl Plans {
    /// The fields that a client asks for: `id,price.value`. Names are those of the contract or those
    /// in JSON. A path leads into messages and lists of messages, not into maps and well-known types.
    /// Where a field is named and a part of it is, too, it is written as a whole.
    ///
    /// # Errors
    ///
    /// A name that is no field, a text without names, or one of more than 4 KiB. `field` of the error
    /// is empty: the caller knows what the parameter is called.
    pub fn select(&self, message: MessageId, names: &str) -> Result<Selection, InputError> {
        let mut selection = Selection { message, nodes: vec![Node::default()] };
        selection.add_names(self, message, 0, names)?;
        Ok(selection)
    }

    /// The same for what is in one field, like the items of a page. All other fields of the message
    /// are written as if nothing were selected.
    ///
    /// # Errors
    ///
    /// As above; or the message has no such field, or one that has no fields itself.
    pub fn select_within(
        &self,
        message: MessageId,
        field: &str,
        names: &str,
    ) -> Result<Selection, InputError> {
        let plan = self.plan(message);
        let inner = plan.field_by_any_name(field).and_then(|index| {
            let field = &plan.fields[index];
            let is_map = matches!(field.cardinality, Cardinality::Map { .. });
            Some((index, field.kind.message().filter(|_| !is_map)?))
        });
        let Some((inner, inner_message)) = inner else {
            return Err(*InputError::value("has no fields").in_field(field));
        };
        let part = |index| if index == inner { Part::Node(1) } else { Part::Whole };
        let fields = (0..plan.fields.len()).map(|index| (index, part(index))).collect();
        let mut selection = Selection { message, nodes: vec![Node { fields }, Node::default()] };
        selection.add_names(self, inner_message, 1, names)?;
        Ok(selection)
    }

    /// [`wire_to_json`](Self::wire_to_json) for the fields that are selected.
    pub fn wire_to_json_selected(
        &self,
        selection: &Selection,
        wire: &[u8],
        out: &mut Vec<u8>,
    ) -> Result<(), WireError> {
        let Selection { message, nodes } = selection;
        self.encode(wire.len(), out, |encoder| encoder.selected(*message, wire, nodes, 0, 0))
    }

    /// [`field_to_json`](Self::field_to_json) for the fields that are selected
    /// [within](Self::select_within) that field.
    pub fn field_to_json_selected(
        &self,
        selection: &Selection,
        field: &str,
        wire: &[u8],
        out: &mut Vec<u8>,
    ) -> Result<(), WireError> {
        let Selection { message, nodes } = selection;
        let plan = self.plan(*message);
        self.encode(wire.len(), out, |encoder| {
            let index = plan.field_by_any_name(field).ok_or("does not have the field")?;
            let base = encoder.open(plan, wire, 0)?;
            let (field, place) = (&plan.fields[index], encoder.places[base + index]);
            match nodes[0].fields.iter().find(|(selected, _)| *selected == index) {
                Some((_, Part::Node(node))) if place.count > 0 => {
                    let written = encoder.selected_field(field, wire, place, nodes, *node, 0);
                    written.map_err(|error| error.in_field(&field.name))
                }
                _ => encoder.alone(field, wire, place),
            }
        })
    }
}

impl Selection {
    /// Adds fields of `message` to one of the nodes.
    fn add_names(
        &mut self,
        plans: &Plans,
        message: MessageId,
        node: usize,
        names: &str,
    ) -> Result<(), InputError> {
        if names.len() > MAX_NAMES {
            return Err(*InputError::value("must have at most 4096 characters"));
        }
        for path in names.split(',') {
            if path.is_empty() {
                return Err(*InputError::value("must be names with commas between"));
            }
            let unknown = || {
                let path = shortened(path);
                *InputError::value(format!("names {path}, which is not a known field"))
            };
            let way = plans.way(message, path, |_| true).ok().filter(|way| way.key.is_none());
            self.add(node, &way.ok_or_else(unknown)?.steps);
        }
        Ok(())
    }

    fn add(&mut self, mut node: usize, path: &[Step<'_>]) {
        for (place, step) in path.iter().enumerate() {
            let new = self.nodes.len();
            let fields = &mut self.nodes[node].fields;
            let found = fields.binary_search_by_key(&step.index, |(index, _)| *index);
            let at = found.unwrap_or_else(|at| {
                fields.insert(at, (step.index, Part::Node(new)));
                at
            });
            if place + 1 == path.len() {
                fields[at].1 = Part::Whole;
            }
            match fields[at].1 {
                Part::Whole => return,
                Part::Node(inner) => node = inner,
            }
            if node == new {
                self.nodes.push(Node::default());
            }
        }
    }
}

impl Encoder<'_, '_> {
    /// The object of a message, with what `nodes[node]` says.
    fn selected(
        &mut self,
        message: MessageId,
        wire: &[u8],
        nodes: &[Node],
        node: usize,
        depth: u32,
    ) -> Result<(), Fault> {
        let plan = self.plans.plan(message);
        let base = self.open(plan, wire, depth)?;
        let start = self.out.len();
        for &(index, part) in &nodes[node].fields {
            let (field, place) = (&plan.fields[index], self.places[base + index]);
            if is_left_out(field, wire, place)? {
                continue;
            }
            self.out.extend_from_slice(&field.comma_and_key);
            let written = match part {
                Part::Node(node) if place.count > 0 => {
                    self.selected_field(field, wire, place, nodes, node, depth)
                }
                Part::Node(_) | Part::Whole => self.field(field, wire, place, depth),
            };
            written.map_err(|error| error.in_field(&field.name))?;
        }
        self.enclose(start, b'{', b'}');
        self.places.truncate(base);
        Ok(())
    }

    /// A field that is there and holds a message or a list of them.
    fn selected_field(
        &mut self,
        field: &FieldPlan,
        wire: &[u8],
        place: Place,
        nodes: &[Node],
        node: usize,
        depth: u32,
    ) -> Result<(), Fault> {
        let Some(message) = field.kind.message() else {
            return Err(WireError::new("has no fields"));
        };
        if field.cardinality == Cardinality::Singular {
            if place.count > 1 {
                let merged = place.merged(field, wire)?;
                return self.selected(message, &merged, nodes, node, depth + 1);
            }
            let content = field.kind.content(&mut place.last_value(wire))?;
            return self.selected(message, content, nodes, node, depth + 1);
        }
        let start = self.out.len();
        for occurrence in place.occurrences(field, wire) {
            let content = field.kind.content(&mut occurrence?.0)?;
            self.out.push(b',');
            self.selected(message, content, nodes, node, depth + 1)?;
        }
        self.enclose(start, b'[', b']');
        Ok(())
    }
}
