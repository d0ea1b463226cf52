-- A binary CloudEvent of 1 KiB with ten headers, for wrk.
wrk.method = "POST"
wrk.body = string.rep("x", 1024)
wrk.headers["content-type"] = "text/plain"
wrk.headers["ce-specversion"] = "1.0"
wrk.headers["ce-id"] = "3f1c2d4e-5a6b-7c8d-9e0f-112233445566"
wrk.headers["ce-source"] = "/benchmark/load"
wrk.headers["ce-type"] = "com.example.load.binary"
wrk.headers["ce-subject"] = "orders/4711"
wrk.headers["ce-time"] = "2026-01-01T10:00:00.5Z"
wrk.headers["ce-tenant"] = "blue"
wrk.headers["user-agent"] = "wrk"
