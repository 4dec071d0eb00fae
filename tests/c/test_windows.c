/* Test pages and stores on the mappings of Windows. On other systems it does
 * nothing. */
#include "fixture.h"

#ifdef _WIN32

#include <windows.h>

static DWORD
state_of(const char *address)
{
    MEMORY_BASIC_INFORMATION info;
    CHECK(VirtualQuery(address, &info, sizeof info) != 0);
    return info.State;
}

static void
start(void)
{
    pages_ops = pages_system_ops;
    pages_probe(ANY_RUNG);
    CHECK(pages_facts.rung == PAGES_COPY && pages_facts.in_steps);
    CHECK(pages_facts.whole_only && pages_facts.errors[PAGES_MAYMOVE] != 0);
}

static void
end(void)
{
    (void)pool_drain();
    CHECK_SOUND(pool_check());
    CHECK(pool_stats().live == 0 && pool_stats().nentries == 0);
}

static void
test_windows_discard_closes_and_open_reads_zero(void)
{
    char *mapped;
    start();
    CHECK(pages_reserve(4 * MIB, &mapped) == 0 && state_of(mapped) == MEM_RESERVE);
    CHECK(pages_open(mapped, 4 * MIB) == 0 && state_of(mapped) == MEM_COMMIT);
    fill(mapped, 4 * MIB, 1);
    CHECK(pages_discard(mapped + MIB, 2 * MIB, false) == 0);
    CHECK(is_filled(mapped, MIB, 1) && state_of(mapped + MIB - PAGE) == MEM_COMMIT);
    CHECK(state_of(mapped + MIB) == MEM_RESERVE);
    CHECK(state_of(mapped + 3 * MIB - PAGE) == MEM_RESERVE);
    CHECK(state_of(mapped + 3 * MIB) == MEM_COMMIT);
    CHECK(pages_open(mapped, 4 * MIB) == 0 && is_filled(mapped, MIB, 1));
    CHECK(is_zero(mapped + MIB, 2 * MIB));
    CHECK(pages_offer(mapped, MIB) == 0 && state_of(mapped) == MEM_COMMIT);
    fill(mapped, MIB, 2);
    CHECK(is_filled(mapped, MIB, 2));
    pages_unmap(mapped, 4 * MIB);
    CHECK(state_of(mapped) == MEM_FREE);
    end();
}

static void
test_windows_store_built_and_drained_has_its_bytes(void)
{
    start();
    for (uint64_t round = 0; round < 3; round++) {
        struct store store;
        store_init(&store);
        for (size_t i = 0; i < 40; i++) {
            append_filled(&store, MIB, i);
        }
        CHECK(state_of(store.memory.address + store.memory.length - PAGE) ==
              MEM_RESERVE);
        CHECK(store_splice(&store, 0, 39 * MIB, 0) == 0);
        CHECK(is_filled(store.start, MIB, 39));
        store_trim(&store);
        CHECK(is_filled(store.start, MIB, 39) && store_check(&store) == NULL);
        append_filled(&store, 9 * MIB, 5);
        CHECK(is_filled(store.start + MIB, 9 * MIB, 5));
        store_free(&store);
    }
    end();
}

static void
test_windows_store_with_a_limit_stays_where_it_is(void)
{
    struct store store;
    start();
    store_init(&store);
    CHECK(store_set_limit(&store, (size_t)1 << 30) == 0);
    char *address = store.start;
    CHECK(state_of(address) == MEM_COMMIT);
    CHECK(state_of(address + 4 * MIB) == MEM_RESERVE);
    for (size_t i = 0; i < 64; i++) {
        append_filled(&store, MIB, i);
        CHECK(store.start == address);
    }
    for (size_t i = 0; i < 64; i++) {
        CHECK(is_filled(address + i * MIB, MIB, i));
    }
    CHECK(store_splice(&store, 0, 0, (size_t)1 << 30) == EFBIG);
    store_free(&store);
    end();
}

int
main(void)
{
    RUN(test_windows_discard_closes_and_open_reads_zero);
    RUN(test_windows_store_built_and_drained_has_its_bytes);
    RUN(test_windows_store_with_a_limit_stays_where_it_is);
    return check_done();
}

#else

int
main(void)
{
    printf("left out: not Windows\n");
    return 0;
}

#endif
