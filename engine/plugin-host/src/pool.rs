//! Where the memories and tables of running plugins lie: in places that are reserved once and used again.
//!
//! To map and unmap the memory of each call costs more than most calls, and holds up every other thread of the process meanwhile.

use wasmtime::{Config, Enabled, Engine, InstanceAllocationStrategy, PoolingAllocationConfig};

use crate::engine::EngineOptions;
use crate::error::PluginError;

/// How many memories and tables a plugin has at most. Compilers make one of each; what is put together from several modules has more.
const MEMORIES_MAX: u32 = 8;
const TABLES_MAX: u32 = 64;
/// The most bytes of the runtime's own that a plugin takes beside its memories and tables.
const OWN_BYTES_MAX: usize = 16 * 1024 * 1024;
/// How many bytes of a memory stay with its place, for the next call. The rest goes back to the system.
const KEPT_BYTES: usize = 2 * 1024 * 1024;
const KEPT_TABLE_BYTES: usize = 64 * 1024;

/// Starts the runtime. A system on which so many addresses cannot be reserved gets one that maps the memories of each call anew; plugins
/// then do the same, slower.
pub(crate) fn engine(config: &Config, options: &EngineOptions) -> Result<Engine, PluginError> {
    let mut pooled = config.clone();
    pooled.allocation_strategy(InstanceAllocationStrategy::Pooling(pool(options)));
    Engine::new(&pooled)
        .or_else(|error| {
            tracing::warn!(
                "the memories of plugins are mapped anew for each call, which is slower: {error:#}"
            );
            Engine::new(config)
        })
        .map_err(|error| PluginError::Runtime(format!("{error:#}")))
}

fn pool(options: &EngineOptions) -> PoolingAllocationConfig {
    let calls = u32::try_from(options.calls_max.max(1)).unwrap_or(u32::MAX);
    let instances = u32::try_from(options.compile.instances).unwrap_or(u32::MAX);
    let mut pool = PoolingAllocationConfig::default();
    // Enough for all calls at once, whatever each of them is: a call that has its turn never waits for a place.
    pool.total_component_instances(calls)
        .total_core_instances(calls.saturating_mul(instances))
        .total_stacks(calls)
        .total_memories(calls.saturating_mul(MEMORIES_MAX))
        .total_tables(calls.saturating_mul(TABLES_MAX))
        .max_core_instances_per_component(instances)
        .max_memories_per_component(MEMORIES_MAX)
        .max_tables_per_component(TABLES_MAX)
        .max_memories_per_module(MEMORIES_MAX)
        .max_tables_per_module(TABLES_MAX)
        .max_component_instance_size(OWN_BYTES_MAX)
        .max_core_instance_size(OWN_BYTES_MAX)
        // Both are limited for each call, by `Limits`, to less than fits here.
        .max_memory_size(1 << 32)
        .table_elements(usize::try_from(options.table_elements).unwrap_or(usize::MAX))
        .max_unused_warm_slots(calls);
    // Elsewhere the bytes that stay are written over after each call, used or not, which takes longer than to give them back.
    if PoolingAllocationConfig::is_pagemap_scan_available() {
        pool.pagemap_scan(Enabled::Yes)
            .linear_memory_keep_resident(KEPT_BYTES)
            .table_keep_resident(KEPT_TABLE_BYTES);
    }
    pool
}
