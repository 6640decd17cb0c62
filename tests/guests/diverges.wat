;; Stops as an SDK does when the flow does not fit the history.

(data (i32.const 4096) "diverged: the history has \"remove\" where the flow sends \"create\"")

(func (export "punchdown:adapter/external-system@0.9.0#provision") (param $question i32) (result i32)
  (call $log (i32.const 3) (i32.const 4096) (i32.const 64)) ;; level: error
  (unreachable))
