# SPDX-License-Identifier: MIT
# fish completion for tgpu. It asks tgpu itself (cli/complete.c) and knows nothing of its own.

function __tgpu_complete
    set -l words (commandline -opc)
    set -l last (commandline -ct)
    set -l lines ($words[1] complete $words[2..] $last 2>/dev/null)
    switch "$lines[1]"
        case @files
            __fish_complete_path $last
        case @dirs
            __fish_complete_directories $last
        case '@command*'
            __fish_complete_subcommand --fcs-skip=(math (string replace '@command ' '' -- $lines[1]) + 1)
        case '*'
            string join -- \n $lines
    end
end

complete -c tgpu -k -f -a '(__tgpu_complete)'
