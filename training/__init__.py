from training import telemetry

telemetry.switch_off()
