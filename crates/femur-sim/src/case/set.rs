//! `--set key.path=value`.

use super::error::CaseError;
use super::value::{Kind, Map, Node};
use std::sync::Arc;
use toml_edit::{DocumentMut, Item, Key, Value};

/// Carries the assignment out on the tree, and returns the TOML text with it carried out too.
pub(crate) fn apply(text: &str, root: &mut Node, assignment: &str) -> Result<String, CaseError> {
    let error = |what: String, hint: &str| CaseError::Set { assignment: assignment.into(), what, hint: hint.into() };
    let form = "write key.path=value, e.g. mesh.size=0.03";
    let Some((path, value)) = assignment.split_once('=') else { return Err(error("there is no `=`".into(), form)) };
    let keys = Key::parse(path.trim()).map_err(|_| error(format!("`{}` is not a key path", path.trim()), form))?;
    let keys: Vec<&str> = keys.iter().map(Key::get).collect();
    let value = parse_value(value.trim())
        .map_err(|what| error(what, "write a number, true, false, a word, or TOML such as [0, 1] or { min = 1, max = 2 }"))?;
    let node = {
        let line = format!("v = {value}");
        let Some(mut node) = super::value::parse(&line, "--set").ok().and_then(|n| n.map().and_then(|m| m.get("v").cloned())) else {
            return Err(error("the value cannot be read".into(), form));
        };
        mark(&mut node, &Arc::from(assignment));
        node
    };
    let mut document: DocumentMut = text.parse().map_err(|_| error("the case file cannot be read".into(), "mend the file first"))?;
    set_item(document.as_item_mut(), &keys, value).map_err(|(what, hint)| error(what, &hint))?;
    set_node(root, &keys, node).map_err(|(what, hint)| error(what, &hint))?;
    Ok(document.to_string())
}

fn parse_value(text: &str) -> Result<Value, String> {
    match text.parse::<Value>() {
        Ok(value) => Ok(value.decorated(" ", "")),
        Err(_) if text.is_empty() => Err("there is no value after `=`".into()),
        // A bare word may hold a path or an expression, but what opens as TOML must be TOML.
        Err(e) if text.starts_with(['[', '{', '"', '\'']) => Err(format!("the value is not valid TOML: {}", e.message().trim())),
        Err(_) => Ok(Value::from(text).decorated(" ", "")),
    }
}

fn mark(node: &mut Node, assignment: &Arc<str>) {
    node.line = 0;
    node.set_by = Some(assignment.clone());
    match &mut node.kind {
        Kind::Array(list) => list.iter_mut().for_each(|n| mark(n, assignment)),
        Kind::Table(map) => Arc::make_mut(map).entries.iter_mut().for_each(|(_, n)| mark(n, assignment)),
        _ => {}
    }
}

type Complaint = (String, String);

fn place_in(key: &str, len: usize) -> Result<usize, Complaint> {
    match key.parse::<usize>() {
        Ok(i) if i < len => Ok(i),
        _ => Err((format!("`{key}` is no place in a list of {len}"), format!("places are numbers from 0 to {}", len.saturating_sub(1)))),
    }
}

fn not_a_table(key: &str, what: &str) -> Complaint {
    (format!("`{key}` lies within {what}"), "shorten the path to set the whole value".into())
}

fn set_node(node: &mut Node, keys: &[&str], value: Node) -> Result<(), Complaint> {
    let [key, rest @ ..] = keys else {
        *node = Node { line: node.line, ..value };
        return Ok(());
    };
    match &mut node.kind {
        Kind::Table(map) => {
            let map = Arc::make_mut(map);
            if map.get(key).is_none() {
                map.insert(key, Node { set_by: value.set_by.clone(), ..Node::new(Kind::Table(Arc::new(Map::default()))) });
            }
            match map.get_mut(key) {
                Some(child) => set_node(child, rest, value),
                None => Ok(()),
            }
        }
        Kind::Array(list) => {
            let i = place_in(key, list.len())?;
            set_node(&mut list[i], rest, value)
        }
        _ => Err(not_a_table(key, &node.describe())),
    }
}

fn set_item(item: &mut Item, keys: &[&str], value: Value) -> Result<(), Complaint> {
    let [key, rest @ ..] = keys else {
        let value = match item.as_value() {
            // The comment after a value stays.
            Some(old) => {
                value.decorated(old.decor().prefix().cloned().unwrap_or_default(), old.decor().suffix().cloned().unwrap_or_default())
            }
            None => value,
        };
        *item = Item::Value(value);
        return Ok(());
    };
    match item {
        Item::Table(table) => {
            if rest.is_empty() && !table.contains_key(key) {
                table.insert(key, Item::Value(value));
                return Ok(());
            }
            let child = table.entry(key).or_insert_with(|| {
                let mut new = toml_edit::Table::new();
                new.set_implicit(true);
                Item::Table(new)
            });
            set_item(child, rest, value)
        }
        Item::ArrayOfTables(list) => {
            let i = place_in(key, list.len())?;
            let Some(table) = list.get_mut(i) else { return Ok(()) };
            // A table of a list cannot be lent as an item: move it out and in again.
            let mut inner = Item::Table(std::mem::take(table));
            let done = if rest.is_empty() {
                Err(("a whole table of a list cannot be set".to_string(), "set its keys one by one".to_string()))
            } else {
                set_item(&mut inner, rest, value)
            };
            if let Item::Table(back) = inner {
                *table = back;
            }
            done
        }
        Item::Value(v) => set_value(v, keys, value),
        Item::None => Ok(()),
    }
}

fn set_value(old: &mut Value, keys: &[&str], value: Value) -> Result<(), Complaint> {
    let [key, rest @ ..] = keys else {
        let (prefix, suffix) = (old.decor().prefix().cloned().unwrap_or_default(), old.decor().suffix().cloned().unwrap_or_default());
        *old = value.decorated(prefix, suffix);
        return Ok(());
    };
    match old {
        Value::InlineTable(table) => {
            if rest.is_empty() && !table.contains_key(key) {
                table.insert(*key, value);
                return Ok(());
            }
            set_value(table.get_or_insert(*key, toml_edit::InlineTable::new()), rest, value)
        }
        Value::Array(list) => {
            let i = place_in(key, list.len())?;
            match list.get_mut(i) {
                Some(child) => set_value(child, rest, value),
                None => Ok(()),
            }
        }
        other => Err(not_a_table(key, &format!("the value{other}"))),
    }
}
