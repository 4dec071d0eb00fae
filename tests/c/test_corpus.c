/* Run the fuzzer of tests/fuzz on its saved inputs, or on the files that are given,
 * such as an input that failed.
 *
 *     test_corpus [FILE ...]
 */
#include <dirent.h>

#include "../fuzz/fuzz_store.c"

static void
replay(const char *path)
{
    check_test = path;
    uint8_t program[HEADER_NBYTES + MOST_ACTIONS * ACTION_NBYTES];
    FILE *file = fopen(path, "rb");
    CHECK(file != NULL);
    size_t nbytes = fread(program, 1, sizeof program, file);
    fclose(file);
    LLVMFuzzerTestOneInput(program, nbytes);
}

static void
test_fuzz_saved_inputs_find_no_fault(void)
{
    char folder[4096], path[8192];
    const char *slash = strrchr(__FILE__, '/');
    CHECK(slash != NULL);
    (void)snprintf(folder, sizeof folder, "%.*s/../fuzz/corpus",
                   (int)(slash - __FILE__), __FILE__);
    DIR *corpus = opendir(folder);
    CHECK(corpus != NULL);
    size_t nfiles = 0;
    for (struct dirent *entry; (entry = readdir(corpus)) != NULL;) {
        if (entry->d_name[0] != '.') {
            (void)snprintf(path, sizeof path, "%s/%s", folder, entry->d_name);
            replay(path);
            nfiles++;
        }
    }
    closedir(corpus);
    CHECK(nfiles > 0);
}

int
main(int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        replay(argv[i]);
    }
    if (argc == 1) {
        RUN(test_fuzz_saved_inputs_find_no_fault);
    }
    printf("%lu tests, %lu checks\n", check_tests, check_count);
    return 0;
}
