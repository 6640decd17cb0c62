;; Parks the operation with a message of eight mebibytes, all of them zeros.

;; progress.decision: park, with no code, and with the message that begins at the third page.
(data (i32.const 4096) "\06\00\00\00" "\00\00\00\00" "\00\00\00\00" "\00\00\02\00" "\00\00\80\00")

(func (export "punchdown:adapter/external-system@0.9.0#provision") (param $question i32) (result i32)
  (drop (memory.grow (i32.const 128)))
  (i32.const 4096))
