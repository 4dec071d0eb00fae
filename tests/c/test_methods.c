/* Compare the algorithms of bytearray's methods with simple loops. */
#include "find.c" /* first, because it defines a macro that makes memrchr() visible */
/* The sources are included, so that static functions can be tested. They are not
 * compiled on their own for this program. */
#include "copy.c"
#include "methods.c"
#include "split.c"

#include <ctype.h>
#include <time.h>

#include "check.h"

static uint64_t seed;

/* xorshift: the same numbers on every system. */
static size_t
pick(size_t below)
{
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return (size_t)(seed % below);
}

enum { MAX = 6000 };

/* Fill with few values, so that parts occur often and overlap. */
static struct piece
random_piece(char *bytes, size_t max)
{
    static const char *const alphabets[] = {"a", "ab", "aA \t\n\r\v\f", "\r\n",
                                            "\x80\xff\x7f"};
    const char *alphabet = alphabets[pick(5)];
    size_t nbytes = pick(2) ? pick(max < 40 ? max + 1 : 40) : pick(max + 1);
    for (size_t i = 0; i < nbytes; i++) {
        bytes[i] = pick(50) ? alphabet[pick(strlen(alphabet))] : (char)pick(256);
    }
    return (struct piece){bytes, nbytes};
}

/* Return a part of the bytes, sometimes with one bit changed. */
static struct piece
random_part(char *part, struct piece bytes)
{
    size_t max = bytes.nbytes < 200 ? bytes.nbytes : 200;
    size_t nbytes = pick(3) ? pick(max < 5 ? max + 1 : 5) : pick(max + 1);
    size_t at = pick(bytes.nbytes - nbytes + 1);
    memcpy(part, bytes.start + at, nbytes);
    if (nbytes > 0 && pick(3) == 0) {
        part[pick(nbytes)] ^= 1;
    }
    return (struct piece){part, nbytes};
}

static bool
occurs_at(struct piece bytes, struct piece part, size_t at)
{
    return part.nbytes <= bytes.nbytes && at <= bytes.nbytes - part.nbytes &&
           memcmp(bytes.start + at, part.start, part.nbytes) == 0;
}

static size_t
plain_find(struct piece bytes, struct piece part)
{
    for (size_t at = 0; at <= bytes.nbytes; at++) {
        if (occurs_at(bytes, part, at)) {
            return at;
        }
    }
    return FIND_NONE;
}

static size_t
plain_rfind(struct piece bytes, struct piece part)
{
    for (size_t at = bytes.nbytes + 1; at > 0; at--) {
        if (occurs_at(bytes, part, at - 1)) {
            return at - 1;
        }
    }
    return FIND_NONE;
}

static void
test_find_in_random_bytes_agrees_with_plain_loop(void)
{
    static char bytes[MAX], small[200];
    for (int turn = 0; turn < 20000; turn++) {
        struct piece all = random_piece(bytes, MAX), part = random_part(small, all);
        CASE("turn %d: %zu bytes, a part of %zu", turn, all.nbytes, part.nbytes);
        CHECK(find_first(all, part) == plain_find(all, part));
        CHECK(find_last(all, part) == plain_rfind(all, part));
        if (part.nbytes > 0) {
            size_t count = 0, at = 0, max = pick(3) ? METHODS_NONE : pick(4);
            while (count < max && at + part.nbytes <= all.nbytes) {
                bool found = occurs_at(all, part, at);
                count += found;
                at += found ? part.nbytes : 1;
            }
            CHECK(find_count(all, part, max) == count);
        }
    }
}

/* Each algorithm must find the same place. One that gives up sets `left` to the number
 * of places that are left for find_by_hash(). */
static void
test_find_each_algorithm_finds_the_same_place(void)
{
    static char bytes[MAX], small[200];
    for (int turn = 0; turn < 20000; turn++) {
        struct piece all = random_piece(bytes, MAX), part = random_part(small, all);
        if (part.nbytes < 2) {
            continue;
        }
        size_t n = all.nbytes - part.nbytes + 1;
        for (int step = -1; step <= 1; step += 2) {
            struct search search = {all.start + (step > 0 ? 0 : n - 1), n, part, step};
            size_t left = 0, expected = search_run(&search, step);
            CASE("turn %d, step %d: %zu bytes, a part of %zu", turn, step, all.nbytes,
                 part.nbytes);
            size_t pair = find_pair(&search, step, &left);
            CHECK((left > 0 ? find_by_hash(&search, left) : pair) == expected);
            left = 0;
            size_t skips = find_by_skips(&search, step, &left);
            CHECK((left > 0 ? find_by_hash(&search, left) : skips) == expected);
            CHECK(find_by_hash(&search, n) == expected);
        }
    }
}

/* The part differs from most places only in its middle, so comparing it at each place
 * would take very long. The first algorithm gives up, and find_by_hash() searches the
 * rest. */
static void
test_find_long_part_in_similar_bytes_finds_it(void)
{
    static char bytes[1 << 20], part[1 << 16];
    memset(bytes, 'a', sizeof bytes);
    memset(part, 'a', sizeof part);
    struct piece all = {bytes, sizeof bytes}, wanted = {part, sizeof part};
    part[sizeof part / 2] = 'b';
    CHECK(find_first(all, wanted) == FIND_NONE);
    CHECK(find_last(all, wanted) == FIND_NONE);
    bytes[sizeof bytes - 1000] = bytes[1000] = 'b';
    CHECK(find_first(all, wanted) == FIND_NONE);
    bytes[sizeof bytes / 2] = 'b';
    CHECK(find_first(all, wanted) == sizeof bytes / 2 - sizeof part / 2);
    CHECK(find_last(all, wanted) == sizeof bytes / 2 - sizeof part / 2);
}

/* Join pieces, with a separator between them. */
static size_t
join(char *to, const struct split_list *pieces, struct piece separator)
{
    const char *start = to;
    for (size_t i = 0; i < pieces->count; i++) {
        if (i > 0) {
            memcpy(to, separator.start, separator.nbytes);
            to += separator.nbytes;
        }
        memcpy(to, pieces->items[i].start, pieces->items[i].nbytes);
        to += pieces->items[i].nbytes;
    }
    return (size_t)(to - start);
}

static void
test_split_pieces_are_the_bytes_between_separators(void)
{
    static char bytes[MAX], small[200], joined[MAX];
    for (int turn = 0; turn < 5000; turn++) {
        struct piece all = random_piece(bytes, MAX), part = random_part(small, all);
        if (part.nbytes == 0) {
            continue;
        }
        size_t max = pick(2) ? METHODS_NONE : pick(4);
        for (int right = 0; right < 2; right++) {
            CASE("turn %d, %s", turn, right ? "rsplit" : "split");
            struct split_list pieces;
            split_list_init(&pieces);
            CHECK((right ? split_by_last : split_by)(&pieces, all, part, max) == 0);
            size_t count = find_count(all, part, METHODS_NONE);
            CHECK(right || pieces.count == (count < max ? count : max) + 1);
            CHECK(join(joined, &pieces, part) == all.nbytes);
            CHECK(memcmp(joined, bytes, all.nbytes) == 0);
            for (size_t i = 0; max == METHODS_NONE && i < pieces.count; i++) {
                CHECK(find_first(pieces.items[i], part) == FIND_NONE);
            }
            split_list_free(&pieces);
        }
    }
}

static void
test_split_at_space_finds_the_words(void)
{
    static char bytes[MAX];
    for (int turn = 0; turn < 5000; turn++) {
        struct piece all = random_piece(bytes, MAX);
        struct split_list left, right;
        split_list_init(&left);
        split_list_init(&right);
        CASE("turn %d", turn);
        CHECK(split_space(&left, all, METHODS_NONE) == 0);
        CHECK(split_space_last(&right, all, METHODS_NONE) == 0);
        CHECK(left.count == right.count);
        size_t nwords = 0, nletters = 0;
        for (size_t i = 0; i < all.nbytes; i++) {
            bool space = isspace((unsigned char)bytes[i]) != 0;
            nletters += !space;
            nwords += !space && (i == 0 || isspace((unsigned char)bytes[i - 1]));
        }
        CHECK(left.count == nwords);
        for (size_t i = 0; i < left.count; i++) {
            CHECK(left.items[i].start == right.items[i].start &&
                  left.items[i].nbytes == right.items[i].nbytes);
            nletters -= left.items[i].nbytes;
        }
        CHECK(nletters == 0);
        split_list_free(&left);
        split_list_free(&right);
    }
}

static void
test_split_lines_cuts_at_each_line_end(void)
{
    static char bytes[MAX], joined[MAX];
    for (int turn = 0; turn < 5000; turn++) {
        struct piece all = random_piece(bytes, MAX);
        struct split_list kept, cut;
        split_list_init(&kept);
        split_list_init(&cut);
        CASE("turn %d", turn);
        CHECK(split_lines(&kept, all, true) == 0);
        CHECK(split_lines(&cut, all, false) == 0 && kept.count == cut.count);
        CHECK(join(joined, &kept, (struct piece){"", 0}) == all.nbytes);
        CHECK(memcmp(joined, bytes, all.nbytes) == 0);
        for (size_t i = 0; i < kept.count; i++) {
            struct piece line = cut.items[i];
            const char *end = line.start + line.nbytes;
            size_t nend = kept.items[i].nbytes - line.nbytes;
            CHECK(find_byte(line, '\n') == FIND_NONE);
            CHECK(find_byte(line, '\r') == FIND_NONE);
            CHECK(nend == 1   ? *end == '\n' || *end == '\r'
                  : nend == 2 ? end[0] == '\r' && end[1] == '\n'
                              : i + 1 == kept.count && end == bytes + all.nbytes);
            bool pair = nend == 1 && *end == '\r' && end + 1 < bytes + all.nbytes;
            CHECK(!pair || end[1] != '\n');
        }
        split_list_free(&kept);
        split_list_free(&cut);
    }
}

static void
test_case_methods_change_ascii_letters_only(void)
{
    char bytes[600], to[600];
    for (size_t i = 0; i < sizeof bytes; i++) {
        bytes[i] = (char)(i < 256 ? i : pick(256));
    }
    struct piece all = {bytes, sizeof bytes};
    methods_lower(to, all);
    for (size_t i = 0; i < sizeof bytes; i++) {
        CHECK((unsigned char)to[i] == tolower((unsigned char)bytes[i]));
    }
    methods_upper(to, all);
    for (size_t i = 0; i < sizeof bytes; i++) {
        CHECK((unsigned char)to[i] == toupper((unsigned char)bytes[i]));
    }
    methods_swapcase(to, all);
    for (size_t i = 0; i < sizeof bytes; i++) {
        unsigned char c = (unsigned char)bytes[i];
        CHECK((unsigned char)to[i] == (islower(c) ? toupper(c) : tolower(c)));
    }
    methods_title(to, all);
    for (size_t i = 0; i < sizeof bytes; i++) {
        unsigned char c = (unsigned char)bytes[i];
        bool inside = i > 0 && isalpha((unsigned char)bytes[i - 1]);
        CHECK((unsigned char)to[i] == (inside ? tolower(c) : toupper(c)));
    }
    methods_capitalize(to, (struct piece){"hELLO", 5});
    CHECK(memcmp(to, "Hello", 5) == 0);
    methods_capitalize(to, (struct piece){"", 0});
}

static void
test_strip_removes_only_given_values(void)
{
    static char bytes[MAX], small[200];
    for (int turn = 0; turn < 5000; turn++) {
        struct piece all = random_piece(bytes, MAX), values = random_part(small, all);
        enum methods_sides sides = (enum methods_sides)(1 + pick(3));
        struct piece left = methods_strip(all, values, sides);
        CASE("turn %d, sides %d", turn, (int)sides);
        const char *end = left.start + left.nbytes, *all_end = bytes + all.nbytes;
        CHECK(left.start >= bytes && end <= all_end);
        CHECK(sides & METHODS_LEFT || left.start == bytes);
        CHECK(sides & METHODS_RIGHT || end == all_end);
        for (const char *at = bytes; at < all_end; at++) {
            CHECK((at >= left.start && at < end) ||
                  memchr(values.start, *at, values.nbytes) != NULL);
        }
        if (left.nbytes > 0) {
            char first = *left.start, last = end[-1];
            CHECK(!(sides & METHODS_LEFT) || find_byte(values, first) == FIND_NONE);
            CHECK(!(sides & METHODS_RIGHT) || find_byte(values, last) == FIND_NONE);
        }
        left = methods_strip(all, (struct piece){" \t\n\r\v\f", 6}, sides);
        struct piece space = methods_strip_space(all, sides);
        CHECK(space.start == left.start && space.nbytes == left.nbytes);
    }
}

static void
test_replace_agrees_with_split_and_join(void)
{
    static char bytes[MAX], old_bytes[200], new_bytes[20];
    static char to[MAX * 20 + 20], joined[MAX * 20 + 20];
    for (int turn = 0; turn < 5000; turn++) {
        struct piece all = random_piece(bytes, MAX), old = random_part(old_bytes, all);
        struct piece new = random_piece(new_bytes, pick(3) ? 2 : 19);
        if (old.nbytes == 0) {
            continue;
        }
        CASE("turn %d: %zu bytes, %zu for %zu", turn, all.nbytes, new.nbytes,
             old.nbytes);
        size_t max = pick(2) ? METHODS_NONE : pick(4);
        struct split_list pieces;
        split_list_init(&pieces);
        CHECK(split_by(&pieces, all, old, max) == 0);
        size_t expected = join(joined, &pieces, new), count = pieces.count - 1;
        split_list_free(&pieces);
        CHECK(methods_replaced_nbytes(all, old, new, count) == expected);
        memset(to, '*', sizeof to);
        methods_replace(to, expected, all, old, new, pick(2) ? count : max);
        CHECK(memcmp(to, joined, expected) == 0 && to[expected] == '*');
    }
    struct piece two = {"aa", 2}, one = {"a", 1}, huge = {"", SIZE_MAX / 2};
    CHECK(methods_replaced_nbytes(two, one, huge, 2) == METHODS_NONE);
}

static void
test_translate_deletes_and_maps(void)
{
    static char bytes[MAX], small[200], to[MAX];
    char table[256];
    for (int i = 0; i < 256; i++) {
        table[i] = (char)(255 - i);
    }
    for (int turn = 0; turn < 2000; turn++) {
        struct piece all = random_piece(bytes, MAX), values = random_part(small, all);
        struct methods_set set;
        methods_set_values(&set, values);
        const char *by = pick(2) ? table : NULL;
        size_t nbytes = methods_translate_kept(to, all, by, &set), kept = 0;
        CASE("turn %d", turn);
        for (size_t i = 0; i < all.nbytes; i++) {
            if (memchr(values.start, bytes[i], values.nbytes) == NULL) {
                CHECK(to[kept++] == (by ? (char)~bytes[i] : bytes[i]));
            }
        }
        CHECK(nbytes == kept);
        methods_translate(to, all, table);
        for (size_t i = 0; i < all.nbytes; i++) {
            CHECK(to[i] == (char)~bytes[i]);
        }
    }
}

static void
test_expand_tabs_ends_at_multiples(void)
{
    static char bytes[MAX], to[MAX * 12];
    for (int turn = 0; turn < 5000; turn++) {
        struct piece all = random_piece(bytes, MAX);
        size_t tabsize = pick(12), column = 0, at = 0;
        CASE("turn %d: %zu bytes, tabs of %zu", turn, all.nbytes, tabsize);
        size_t nbytes = methods_expanded_nbytes(all, tabsize);
        methods_expand_tabs(to, all, tabsize);
        for (size_t i = 0; i < all.nbytes; i++) {
            if (bytes[i] != '\t') {
                CHECK(to[at++] == bytes[i]);
                column = bytes[i] == '\n' || bytes[i] == '\r' ? 0 : column + 1;
                continue;
            }
            size_t end = tabsize == 0 ? column : (column / tabsize + 1) * tabsize;
            for (; column < end; column++) {
                CHECK(to[at++] == ' ');
            }
        }
        CHECK(at == nbytes);
    }
    CHECK(methods_expanded_nbytes((struct piece){"\t\t", 2}, SIZE_MAX / 2) ==
          METHODS_NONE);
}

static void
test_stride_and_hex_write_expected_bytes(void)
{
    char bytes[256], to[768];
    for (int i = 0; i < 256; i++) {
        bytes[i] = (char)i;
    }
    methods_stride(to, bytes + 255, -1, 256);
    CHECK(to[0] == (char)255 && to[255] == 0);
    methods_stride(to, bytes + 200, -7, 29);
    CHECK(to[0] == (char)200 && to[28] == 4);
    methods_stride(to, bytes + 3, 5, 50);
    CHECK(to[0] == 3 && to[49] == (char)248);
    char digits_of[3];
    methods_hex(to, (struct piece){bytes, 256});
    for (int i = 0; i < 256; i++) {
        snprintf(digits_of, sizeof digits_of, "%02x", (unsigned)i);
        CHECK(memcmp(to + 2 * i, digits_of, 2) == 0);
    }
    methods_hex_separated(to, (struct piece){bytes + 254, 2}, ':');
    CHECK(memcmp(to, "fe:ff", 5) == 0);
}

int
main(int argc, char **argv)
{
    seed = argc > 1 ? strtoull(argv[1], NULL, 10) : (uint64_t)time(NULL);
    printf("seed %llu\n", (unsigned long long)seed);
    seed = seed * 0x9e3779b97f4a7c15u | 1;
    RUN(test_find_in_random_bytes_agrees_with_plain_loop);
    RUN(test_find_each_algorithm_finds_the_same_place);
    RUN(test_find_long_part_in_similar_bytes_finds_it);
    RUN(test_split_pieces_are_the_bytes_between_separators);
    RUN(test_split_at_space_finds_the_words);
    RUN(test_split_lines_cuts_at_each_line_end);
    RUN(test_case_methods_change_ascii_letters_only);
    RUN(test_strip_removes_only_given_values);
    RUN(test_replace_agrees_with_split_and_join);
    RUN(test_translate_deletes_and_maps);
    RUN(test_expand_tabs_ends_at_multiples);
    RUN(test_stride_and_hex_write_expected_bytes);
    return check_done();
}
