"""The benchmarks, one module each: ``run(scene)`` gives the figures."""
