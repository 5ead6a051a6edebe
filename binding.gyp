{
  "targets": [
    {
      "target_name": "forkstore",
      "conditions": [
        ["OS=='linux'", {
          "sources": [
            "<!@(node -p \"const fs=require('fs');['base','memory','data','engine','persist','binding'].flatMap(d=>fs.readdirSync('native/'+d).filter(f=>f.endsWith('.cc')&&!f.endsWith('_test.cc')).map(f=>'native/'+d+'/'+f)).join(' ')\")"
          ],
          "include_dirs": ["native", "<!(node -p \"require('node-addon-api').include_dir\")"],
          "defines": ["NAPI_VERSION=8", "NODE_ADDON_API_DISABLE_DEPRECATED", "NAPI_DISABLE_CPP_EXCEPTIONS", "NODE_API_SWALLOW_UNTHROWABLE_EXCEPTIONS"],
          "cflags": ["-O3", "-fvisibility=hidden", "-Wall", "-Wextra", "-fno-strict-aliasing"],
          "cflags_cc": ["-std=c++20", "-fno-exceptions", "-fno-rtti"],
          "cflags_cc!": ["-std=gnu++17", "-std=gnu++20"],
          "ldflags": ["-static-libstdc++", "-static-libgcc", "-Wl,--gc-sections", "-Wl,-z,now", "-Wl,--exclude-libs,ALL", "-Wl,--wrap=pthread_once", "-Wl,--wrap=__pthread_key_create"]
        }, {
          "type": "none"
        }]
      ]
    }
  ]
}
