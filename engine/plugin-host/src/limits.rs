//! What a plugin may use, each limit with the name under which it is reported and set.

use std::fmt;

macro_rules! limits {
    ($($(#[$doc:meta])* $variant:ident $field:ident = $default:expr, $name:literal;)*) => {
        /// What one call of a plugin may use. The fields are the limits of [`Limit`].
        #[derive(Clone, PartialEq, Eq, Debug)]
        pub struct Limits {
            $($(#[$doc])* pub $field: u64,)*
        }

        impl Default for Limits {
            fn default() -> Self {
                Limits { $($field: $default,)* }
            }
        }

        /// A limit of a call, by name.
        #[derive(Clone, Copy, PartialEq, Eq, Debug)]
        #[non_exhaustive]
        pub enum Limit {
            $($(#[$doc])* $variant,)*
        }

        impl Limit {
            /// Every limit.
            pub const ALL: &[Limit] = &[$(Limit::$variant,)*];

            /// Its name, as failures show it and settings take it.
            pub fn name(self) -> &'static str {
                match self {
                    $(Limit::$variant => $name,)*
                }
            }
        }

        impl Limits {
            /// The value of a limit.
            pub fn value(&self, limit: Limit) -> u64 {
                match limit {
                    $(Limit::$variant => self.$field,)*
                }
            }
        }
    };
}

const MIB: u64 = 1024 * 1024;

limits! {
    /// Seconds on the wall clock, waiting for the storage included. The only limit that depends on the machine.
    Seconds seconds = 60, "seconds";
    /// Instructions, roughly: the same call always needs the same. About a billion a second.
    Fuel fuel = 50_000_000_000, "fuel";
    /// Bytes of linear memory, all memories of the plugin together.
    MemoryBytes memory_bytes = 512 * MIB, "memory-bytes";
    /// Elements of tables, all tables together.
    TableElements table_elements = 200_000, "table-elements";
    /// Bytes of stack. Set for the whole server, in [`crate::EngineOptions`].
    StackBytes stack_bytes = MIB, "stack-bytes";
    /// Bytes that one call of the host may take over from the plugin.
    HostcallBytes hostcall_bytes = 16 * MIB, "hostcall-bytes";
    /// Handles that are alive at one time.
    Handles handles = 10_000, "handles";
    /// Bytes read from snapshots.
    ReadBytes read_bytes = 64 * 1024 * MIB, "read-bytes";
    /// New objects that are being written at one time. Each takes a few parts in the server's memory.
    OpenObjects open_objects = 16, "open-objects";
    /// Bytes of all new objects.
    WrittenBytes written_bytes = 4 * 1024 * MIB, "written-bytes";
    /// Paths that the plugin touches in its result.
    Edits edits = 10_000_000, "edits";
    /// Changes that it emits into a diff.
    Changes changes = 10_000_000, "changes";
    /// Conflicts that it reports.
    Conflicts conflicts = 100_000, "conflicts";
    /// Bytes that the host keeps for it: conflicts, notes, shown changes, paths of its result.
    KeptBytes kept_bytes = 512 * MIB, "kept-bytes";
    /// Lines that it logs.
    LogLines log_lines = 10_000, "log-lines";
    /// Bytes that it logs.
    LogBytes log_bytes = 4 * MIB, "log-bytes";
}

/// A limit that a plugin reached.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct LimitHit {
    /// Which one.
    pub limit: Limit,
    /// Its value.
    pub value: u64,
}

impl Limits {
    /// The report that `limit` was reached.
    pub(crate) fn hit(&self, limit: Limit) -> LimitHit {
        LimitHit { limit, value: self.value(limit) }
    }
}

impl fmt::Display for LimitHit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = self.limit.name();
        let setting = name.replace('-', "_");
        write!(f, "limit {name} = {} was reached: set plugins.{setting} higher on the server", self.value)
    }
}

/// What a plugin may be, checked before it is compiled.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CompileLimits {
    /// Bytes of the component.
    pub component_bytes: u64,
    /// Components and modules within one another.
    pub depth: u64,
    /// Functions, all modules together.
    pub functions: u64,
    /// Bytes of the code of one function.
    pub function_bytes: u64,
    /// Blocks within one another in a function.
    pub blocks: u64,
    /// Instances that it is made of, counted as they are linked.
    pub instances: u64,
    /// Seconds that compiling may take.
    pub seconds: u64,
}

impl Default for CompileLimits {
    fn default() -> Self {
        CompileLimits {
            component_bytes: 64 * MIB,
            depth: 8,
            functions: 200_000,
            function_bytes: 2 * MIB,
            blocks: 10_000,
            instances: 1_000,
            seconds: 120,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_names_the_limit_its_value_and_what_to_set() {
        let hit = Limits { fuel: 7, ..Limits::default() }.hit(Limit::Fuel);
        expect_test::expect!["limit fuel = 7 was reached: set plugins.fuel higher on the server"]
            .assert_eq(&hit.to_string());
        for limit in Limit::ALL {
            assert!(Limits::default().value(*limit) > 0, "{}", limit.name());
        }
    }
}
