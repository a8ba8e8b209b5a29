"""An engine that takes a while to start and says so as real ones do; then a stand-in for SGLang.

`python slow_engine.py [options of sglang.launch_server]`
"""

import sys
import time

from vhb_shared.testing.sglang_stand_in import main

STEPS = 10

if __name__ == "__main__":
    print("WARNING 11-26 21:00:00 [config.py:1] a token: hf_abcdefghijklmnop", flush=True)
    for step in range(STEPS + 1):
        bar = f"Loading safetensors checkpoint shards: {100 * step // STEPS:3d}% Completed | {step}/{STEPS}"
        print(bar, end="\r", flush=True)
        time.sleep(0.4)
    print("\nCapturing CUDA graphs (decode, FULL):  50%|#####     | 5/10", flush=True)
    time.sleep(1.5)
    print("ERROR 11-26 21:00:09 [worker.py:7] <b>not bold</b>\x1b[0m \u202eback", flush=True)
    main(sys.argv[1:])
