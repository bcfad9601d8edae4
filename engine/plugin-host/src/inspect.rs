//! Looks into a plugin before it is compiled: whether it is one, and whether it is small enough to compile.

use std::collections::BTreeSet;

use wasmparser::{ComponentExternalKind, ComponentInstance, Encoding, Operator, Parser, Payload};

use crate::error::PluginError;
use crate::limits::CompileLimits;

/// The package of the contract, and its version up to what may grow.
const PACKAGE: &str = "anabranch:merge/";
const VERSION: &str = "@0.1.";

/// Which exports of the contract a plugin has.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Exports {
    pub(crate) merges: bool,
}

/// One component or module that is being read.
struct Scope {
    component: bool,
    /// How many core instances linking it makes, at most.
    instances: u64,
}

struct Scan<'l> {
    limits: &'l CompileLimits,
    scopes: Vec<Scope>,
    functions: u64,
    /// The most instances that linking any finished component makes.
    largest: u64,
    imports: BTreeSet<String>,
    exports: BTreeSet<String>,
}

/// Reads a component once, front to back. Neither its size nor its nesting costs more than the limits allow.
pub(crate) fn inspect(bytes: &[u8], limits: &CompileLimits) -> Result<Exports, PluginError> {
    let mut scan = Scan {
        limits,
        scopes: Vec::new(),
        functions: 0,
        largest: 0,
        imports: BTreeSet::new(),
        exports: BTreeSet::new(),
    };
    for payload in Parser::new(0).parse_all(bytes) {
        scan.payload(payload.map_err(broken)?)?;
    }
    check_names(&scan.imports, &scan.exports)
}

fn broken(error: wasmparser::BinaryReaderError) -> PluginError {
    PluginError::NotAPlugin(format!("it is no WebAssembly component: {error}"))
}

impl Scan<'_> {
    fn payload(&mut self, payload: Payload<'_>) -> Result<(), PluginError> {
        match payload {
            Payload::Version { encoding, .. } => {
                let component = encoding == Encoding::Component;
                if self.scopes.is_empty() && !component {
                    return Err(PluginError::NotAPlugin("it is a module, not a component".into()));
                }
                self.scopes.push(Scope { component, instances: 0 });
                self.below("depth", self.limits.depth, self.scopes.len() as u64)
            }
            Payload::End(_) => {
                let ended = self.scopes.pop();
                self.largest = self.largest.max(ended.map_or(0, |scope| scope.instances));
                Ok(())
            }
            Payload::FunctionSection(reader) => {
                self.functions = self.functions.saturating_add(u64::from(reader.count()));
                self.below("functions", self.limits.functions, self.functions)
            }
            Payload::CodeSectionEntry(body) => {
                let bytes = body.range().len() as u64;
                self.below("function-bytes", self.limits.function_bytes, bytes)?;
                self.blocks(body)
            }
            Payload::InstanceSection(reader) => self.instances(u64::from(reader.count()), 1),
            Payload::ComponentInstanceSection(reader) => {
                for instance in reader {
                    // Linking a component links all that is in it, however often it is named.
                    if let ComponentInstance::Instantiate { .. } = instance.map_err(broken)? {
                        self.instances(1, self.largest.max(1))?;
                    }
                }
                Ok(())
            }
            Payload::ComponentImportSection(reader) if self.scopes.len() == 1 => {
                for import in reader {
                    self.imports.insert(import.map_err(broken)?.name.name.to_owned());
                }
                Ok(())
            }
            Payload::ComponentExportSection(reader) if self.scopes.len() == 1 => {
                for export in reader {
                    let export = export.map_err(broken)?;
                    if export.kind == ComponentExternalKind::Instance {
                        self.exports.insert(export.name.name.to_owned());
                    }
                }
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn instances(&mut self, count: u64, each: u64) -> Result<(), PluginError> {
        let Some(scope) = self.scopes.last_mut().filter(|scope| scope.component) else { return Ok(()) };
        scope.instances = scope.instances.saturating_add(count.saturating_mul(each));
        let total = scope.instances;
        self.below("instances", self.limits.instances, total)
    }

    fn blocks(&self, body: wasmparser::FunctionBody<'_>) -> Result<(), PluginError> {
        let mut depth = 0_u64;
        for operator in body.get_operators_reader().map_err(broken)? {
            match operator.map_err(broken)? {
                Operator::Block { .. } | Operator::Loop { .. } | Operator::If { .. } => {
                    depth = depth.saturating_add(1);
                    self.below("blocks", self.limits.blocks, depth)?;
                }
                Operator::End => depth = depth.saturating_sub(1),
                _ => {}
            }
        }
        Ok(())
    }

    fn below(&self, limit: &'static str, value: u64, found: u64) -> Result<(), PluginError> {
        if found <= value {
            return Ok(());
        }
        Err(PluginError::CompileLimit { limit, value, detail: format!(" with {found}") })
    }
}

fn check_names(imports: &BTreeSet<String>, exports: &BTreeSet<String>) -> Result<Exports, PluginError> {
    let ours = |name: &str| name.starts_with(PACKAGE);
    for import in imports {
        let of_contract = ours(import) && import.contains(VERSION);
        // A WASI with nothing in it is lent to interpreters, which ask for one whether they use it or not.
        let of_wasi = import.starts_with("wasi:") && import.contains("@0.2.");
        if of_contract || of_wasi {
            continue;
        }
        let why = match ours(import) {
            true => "is of another version of the contract: this server has 0.1",
            false => "is nothing that plugins get",
        };
        return Err(PluginError::NotAPlugin(format!("it imports {import}, which {why}")));
    }
    let has = |interface: &str| {
        exports.iter().any(|export| export.starts_with(&format!("{PACKAGE}{interface}{VERSION}")))
    };
    for needed in ["about", "differ"] {
        if !has(needed) {
            let found = exports.iter().map(String::as_str).collect::<Vec<_>>().join(", ");
            return Err(PluginError::NotAPlugin(format!(
                "it does not export {PACKAGE}{needed}{VERSION}0, only: {found}"
            )));
        }
    }
    Ok(Exports { merges: has("merger") })
}
