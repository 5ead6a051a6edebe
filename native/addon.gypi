# How the addon is compiled. binding.gyp at the root of a checkout is this and nothing else. It is not published:
# package managers take a binding.gyp for an install script. Paths are relative to this file, but for commands,
# which run at the root.
{
  "variables": {
    # 1: the binary that comes with the package (scripts/prebuild.mjs). What an older C library wants of it
    # (native/prebuilt/) is for it alone.
    "prebuilt%": 0
  },
  "targets": [
    {
      "target_name": "forkstore",
      "conditions": [
        ["OS=='linux'", {
          "sources": [
            "<!@(node -p \"const fs=require('fs');['base','memory','data/value','data/map','data/node','data/tree','engine','files','image','log','store','binding'].flatMap(d=>fs.readdirSync('native/'+d).filter(f=>f.endsWith('.cc')&&!f.endsWith('_test.cc')).map(f=>'native/'+d+'/'+f)).join(' ')\")"
          ],
          "include_dirs": [".", "<!(node -p \"require('node-addon-api').include_dir\")"],
          "defines": ["NAPI_VERSION=8", "NODE_ADDON_API_DISABLE_DEPRECATED", "NAPI_DISABLE_CPP_EXCEPTIONS", "NODE_API_SWALLOW_UNTHROWABLE_EXCEPTIONS"],
          "cflags": ["-O3", "-fvisibility=hidden", "-Wall", "-Wextra", "-fno-strict-aliasing"],
          "cflags_cc": ["-std=c++20", "-fno-exceptions", "-fno-rtti"],
          "cflags_cc!": ["-std=gnu++17", "-std=gnu++20"],
          "ldflags": ["-Wl,--gc-sections", "-Wl,-z,now"]
        }, {
          "type": "none"
        }],
        ["OS=='linux' and prebuilt==1", {
          "ldflags": ["@<(module_root_dir)/native/prebuilt/link_flags"]
        }],
        # Flags and what they refer to go together: --wrap without a definition leaves null where libstdc++
        # asks whether there are threads, and then no mutex locks.
        ["OS=='linux' and prebuilt==1 and target_arch=='x64'", {
          "sources": ["prebuilt/static_runtime.cc"],
          "defines": ["FORKSTORE_PREBUILT"],
          "ldflags": ["@<(module_root_dir)/native/prebuilt/link_flags_x64"]
        }]
      ]
    }
  ]
}
