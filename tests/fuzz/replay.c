/* Runs a fuzz target over every file of the folders that it is given: a test run without libFuzzer. */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void replay_file(const char *path)
{
        FILE *file = fopen(path, "rb");
        if (!file) {
                perror(path);
                exit(1);
        }
        fseek(file, 0, SEEK_END);
        size_t size = (size_t)ftell(file);
        rewind(file);

        /* Exactly as large as the input, so that a sanitizer sees one byte too far. */
        uint8_t *data = malloc(size ? size : 1);
        if (!data || fread(data, 1, size, file) != size) {
                perror(path);
                exit(1);
        }
        LLVMFuzzerTestOneInput(data, size);
        free(data);
        fclose(file);
}

int main(int argc, char **argv)
{
        unsigned count = 0;

        for (int i = 1; i < argc; i++) {
                DIR *dir = opendir(argv[i]);
                if (!dir) {
                        perror(argv[i]);
                        return 1;
                }
                for (struct dirent *entry; (entry = readdir(dir));) {
                        char path[4096];
                        if (entry->d_name[0] == '.')
                                continue;
                        snprintf(path, sizeof(path), "%s/%s", argv[i], entry->d_name);
                        replay_file(path);
                        count++;
                }
                closedir(dir);
        }
        printf("%u inputs replayed\n", count);
        return count ? 0 : 1;
}
