# Completion of cardea for fish: in a folder of $fish_complete_path. The program says what there is to offer; see
# src/cmd/complete.c.

function __cardea_complete
    set -l words (commandline -opc)
    set -l current (commandline -ct)
    set -l lines ($words[1] complete $words[2..-1] "$current" 2>/dev/null)
    switch "$lines[1]"
        case :files
            __fish_complete_path (string replace -r -- '^--[^=]*=' '' "$current")
        case :folders
            __fish_complete_directories (string replace -r -- '^--[^=]*=' '' "$current")
        case '*'
            string join \n -- $lines
    end
end

complete -c cardea -f -a '(__cardea_complete)'
